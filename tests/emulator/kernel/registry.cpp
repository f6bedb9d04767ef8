// The kernels that were compiled in.
#include <cstring>

#include "launch.h"

namespace emu {
namespace {

// A function, so that it exists before the first file registers, whatever the order of static constructors.
KernelFile*& first_file() {
    static KernelFile* first = nullptr;
    return first;
}

}    // namespace

KernelFile::KernelFile(const Kernel* kernels, std::size_t count) : kernels(kernels), count(count), next(first_file()) {
    first_file() = this;
}

const Kernel* find_kernel(const char* name) {
    for (const KernelFile* file = first_file(); file != nullptr; file = file->next)
        for (std::size_t i = 0; i < file->count; i++)
            if (std::strcmp(file->kernels[i].name, name) == 0) return &file->kernels[i];
    return nullptr;
}

}    // namespace emu
