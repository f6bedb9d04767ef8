#include "ptx.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstring>
#include <map>
#include <string_view>

namespace emu {
namespace {

// Comments are blanked out: they may hold anything.
std::string without_comments(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); i++) {
        if (text.substr(i, 2) == "//") {
            i = std::min(text.find('\n', i), text.size());
            out += '\n';
        } else if (text.substr(i, 2) == "/*") {
            i = std::min(text.find("*/", i + 2), text.size()) + 1;
            out += ' ';
        } else {
            out += text[i];
        }
    }
    return out;
}

bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '.'; }

// The bytes of every `.TYPE name[count]` or scalar that the space (`.param`, `.shared`) declares in `text`, by name.
std::map<std::string, std::size_t> declarations(std::string_view text, const std::string& space) {
    static const std::map<std::string, std::size_t> types = {
        {"b8", 1},  {"u8", 1},  {"s8", 1},  {"b16", 2}, {"u16", 2}, {"s16", 2}, {"f16", 2}, {"b32", 4},
        {"u32", 4}, {"s32", 4}, {"f32", 4}, {"b64", 8}, {"u64", 8}, {"s64", 8}, {"f64", 8}};
    std::map<std::string, std::size_t> found;
    for (std::size_t at = text.find(space); at != std::string_view::npos; at = text.find(space, at + 1)) {
        char rest[256];
        std::snprintf(rest, sizeof rest, "%.*s",
                      static_cast<int>(std::min<std::size_t>(255, text.size() - at - space.size())),
                      text.data() + at + space.size());
        int alignment = 0, used = 0;
        const char* next = rest;
        if (std::sscanf(next, " .align %d%n", &alignment, &used) == 1) next += used;
        char type[8], name[200];
        if (std::sscanf(next, " .%7[a-z0-9] %199[A-Za-z0-9_$.]%n", type, name, &used) != 2 || !types.contains(type))
            continue;
        // `name[]` is dynamic shared memory: its size comes with the launch.
        unsigned long count = next[used] == '[' ? 0 : 1;
        std::sscanf(next + used, "[%lu]", &count);
        found[name] = types.at(type) * count;
    }
    return found;
}

// Does `name` occur as a whole word?
bool mentions(std::string_view text, const std::string& name) {
    for (std::size_t at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
        const bool begins = at == 0 || !is_name(text[at - 1]);
        const std::size_t end = at + name.size();
        if (begins && (end == text.size() || !is_name(text[end]))) return true;
    }
    return false;
}

// Position after the brace that closes the one at `open`.
std::size_t closing(std::string_view text, std::size_t open) {
    int depth = 0;
    for (std::size_t i = open; i < text.size(); i++) {
        if (text[i] == '{') depth++;
        if (text[i] == '}' && --depth == 0) return i + 1;
    }
    return text.size();
}

}    // namespace

CUresult read_ptx(const char* data, Library* library, std::string* problem) {
    const std::string text = without_comments(data);
    int major = 0, minor = 0;
    const std::size_t version = text.find(".version");
    if (version == std::string::npos || std::sscanf(text.c_str() + version, ".version %d.%d", &major, &minor) != 2) {
        *problem = "the image is no PTX text: it has no .version";
        return CUDA_ERROR_INVALID_IMAGE;
    }
    library->ptx_version = 10 * major + minor;
    const std::size_t target = text.find(".target");
    if (target == std::string::npos || std::sscanf(text.c_str() + target, ".target sm_%d", &library->target) != 1) {
        *problem = "the PTX has no .target sm_NN";
        return CUDA_ERROR_INVALID_IMAGE;
    }
    const std::map<std::string, std::size_t> shared = declarations(text, ".shared");
    for (std::size_t at = text.find(".entry"); at != std::string::npos; at = text.find(".entry", at + 1)) {
        const std::size_t open = text.find('{', at);
        if (open == std::string::npos) break;
        const std::string_view head(text.data() + at, open - at);
        const std::string_view body(text.data() + open, closing(text, open) - open);
        Entry entry;
        std::size_t begin = head.find_first_not_of(" \t\r\n", std::strlen(".entry"));
        std::size_t end = begin;
        while (end < head.size() && is_name(head[end])) end++;
        entry.name = head.substr(begin, end - begin);
        for (const auto& [name, bytes] : declarations(head, ".param")) entry.params_bytes += bytes;
        for (const auto& [name, bytes] : shared)
            if (mentions(body, name)) entry.shared_bytes += bytes;
        for (const char* directive : {".maxntid", ".reqntid"}) {
            const std::size_t limit = head.find(directive);
            unsigned x = 1, y = 1, z = 1;
            if (limit == std::string_view::npos) continue;
            if (std::sscanf(head.data() + limit + std::strlen(directive), " %u , %u , %u", &x, &y, &z) >= 1)
                entry.max_threads = x * y * z;
        }
        library->entries.push_back(entry);
    }
    return CUDA_SUCCESS;
}

int newest_ptx(int driver_version) {
    // The table of the PTX ISA documentation.
    static const std::map<int, int> newest = {{11000, 70}, {11010, 71}, {11020, 72}, {11030, 73}, {11040, 74},
                                              {11050, 75}, {11060, 76}, {11070, 77}, {11080, 78}, {12000, 80},
                                              {12010, 81}, {12020, 82}, {12030, 83}, {12040, 84}, {12050, 85},
                                              {12060, 85}, {12070, 86}, {12080, 87}, {12090, 88}, {13000, 90}};
    auto next = newest.upper_bound(driver_version);
    return next == newest.begin() ? 0 : std::prev(next)->second;
}

}    // namespace emu
