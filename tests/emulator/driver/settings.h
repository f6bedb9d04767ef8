// The environment variables of the emulated driver; README.md describes them.
#pragma once

#include <cstdint>
#include <string>

namespace emu {

// The variable as a number; `fallback` if it is not set. A value that is no number ends the process: a test that
// misspells its setting would test nothing.
std::int64_t number_setting(const char* name, std::int64_t fallback);

// Item `index` of a comma-separated list, the last item if the list is shorter.
std::string list_setting(const char* name, int index, const char* fallback);

bool flag_setting(const char* name);

}    // namespace emu
