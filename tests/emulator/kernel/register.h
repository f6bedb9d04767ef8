// What the generated file for each kernel source ends with.
#pragma once

#include "launch.h"

namespace emu {

template <class Function>
struct ParamsOf;
template <class Params>
struct ParamsOf<void (*)(Params)> {
    using type = std::remove_cv_t<Params>;
};

template <auto function>
constexpr Kernel describe_kernel(const char* name, char* shared_begin, char* shared_end) {
    using Params = typename ParamsOf<decltype(function)>::type;
    return {name,
            sizeof(Params),
            alignof(Params),
            [](const void* params) { function(*static_cast<const Params*>(params)); },
            shared_begin,
            shared_end};
}

}    // namespace emu
