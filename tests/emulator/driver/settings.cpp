#include "settings.h"

#include <cstdlib>

#include "../kernel/runtime.h"

namespace emu {

std::int64_t number_setting(const char* name, std::int64_t fallback) {
    const char* const text = std::getenv(name);
    if (text == nullptr || *text == '\0') return fallback;
    char* end;
    const std::int64_t value = std::strtoll(text, &end, 0);
    if (*end != '\0') die(nullptr, "%s=%s is not a number", name, text);
    return value;
}

std::string list_setting(const char* name, int index, const char* fallback) {
    const char* const text = std::getenv(name);
    std::string rest = text != nullptr && *text != '\0' ? text : fallback;
    for (std::size_t comma; index > 0 && (comma = rest.find(',')) != std::string::npos; index--)
        rest.erase(0, comma + 1);
    return rest.substr(0, rest.find(','));
}

bool flag_setting(const char* name) {
    const char* const text = std::getenv(name);
    return text != nullptr && *text != '\0' && std::string(text) != "0";
}

}    // namespace emu
