// Rules that make driver calls fail.
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "../kernel/runtime.h"
#include "call.h"

namespace emu {
namespace {

struct Rule {
    std::string name;           // empty: calls of any name
    std::uint64_t first = 0;    // counted calls before the first one that fails
    std::uint64_t times = 1;    // how many fail
    CUresult code = CUDA_ERROR_UNKNOWN;
    bool sticky = false;
    bool asynchronous = false;
    std::uint64_t seen = 0;
};

struct Rules {
    std::mutex mutex;
    std::vector<Rule> rules;
    std::uint64_t calls = 0;
    std::uint64_t failures = 0;
};

bool parse_number(const std::string& text, std::uint64_t* number) {
    char* end;
    *number = std::strtoull(text.c_str(), &end, 0);
    return !text.empty() && *end == '\0';
}

bool parse_rule(const std::string& text, Rule* rule) {
    std::stringstream items(text);
    bool selects = false;
    for (std::string item; std::getline(items, item, ',');) {
        const std::size_t equals = item.find('=');
        const std::string key = item.substr(0, equals);
        const std::string value = equals == std::string::npos ? "" : item.substr(equals + 1);
        std::uint64_t number = 0;
        const bool numeric = parse_number(value, &number);
        if (key == "name" && !value.empty()) {
            rule->name = value;
            selects = true;
        } else if (key == "call" && numeric) {
            rule->first = number;
            selects = true;
        } else if (key == "count" && numeric && number > 0) {
            rule->first = number - 1;
        } else if (key == "times" && (numeric || value == "all")) {
            rule->times = value == "all" ? ~std::uint64_t{0} : number;
        } else if (key == "code" && numeric && number > 0 && number <= 0xffffffff) {
            rule->code = static_cast<CUresult>(number);
        } else if (item == "sticky") {
            rule->sticky = true;
        } else if (item == "async") {
            rule->asynchronous = true;
        } else {
            return false;
        }
    }
    return selects;
}

bool parse(const char* text, std::vector<Rule>* rules) {
    std::stringstream lines(text == nullptr ? "" : text);
    for (std::string line; std::getline(lines, line, ';');) {
        Rule rule;
        if (!parse_rule(line, &rule)) return false;
        rules->push_back(rule);
    }
    return true;
}

Rules& rules() {
    static Rules& leaked = *[] {
        Rules* const made = new Rules;
        const char* const text = std::getenv("FSSIM_EMU_FAIL");
        if (!parse(text, &made->rules)) die(nullptr, "FSSIM_EMU_FAIL=%s cannot be read", text);
        return made;
    }();
    return leaked;
}

// cuMemAlloc stands for cuMemAlloc_v2.
bool names(const std::string& rule, const char* name) {
    if (rule.empty() || rule == name) return true;
    return std::strncmp(rule.c_str(), name, rule.size()) == 0 && std::strcmp(name + rule.size(), "_v2") == 0;
}

}    // namespace

bool set_failure_rules(const char* text) {
    std::vector<Rule> parsed;
    if (!parse(text, &parsed)) return false;
    Rules& all = rules();
    const std::lock_guard lock(all.mutex);
    all.rules = parsed;
    all.calls = all.failures = 0;
    set_device_error(CUDA_SUCCESS);
    return true;
}

CUresult injected_failure(const char* name, bool* asynchronous) {
    Rules& all = rules();
    const std::lock_guard lock(all.mutex);
    all.calls++;
    CUresult code = CUDA_SUCCESS;
    for (Rule& rule : all.rules) {
        if (!names(rule.name, name)) continue;
        const std::uint64_t index = rule.seen++;
        if (code != CUDA_SUCCESS || index < rule.first || index - rule.first >= rule.times) continue;
        code = rule.code;
        *asynchronous = rule.asynchronous;
        all.failures++;
        if (rule.sticky && !rule.asynchronous) set_device_error(code);
    }
    return code;
}

std::uint64_t failures() {
    const std::lock_guard lock(rules().mutex);
    return rules().failures;
}

std::uint64_t call_index() {
    const std::lock_guard lock(rules().mutex);
    return rules().calls;
}

}    // namespace emu
