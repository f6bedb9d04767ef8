#include "cubin.h"

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <map>

namespace emu {
namespace {

constexpr int MACHINE_CUDA = 190;

// Attributes of a kernel in its section .nv.info.NAME: a byte that says how the value is stored, the attribute's number,
// and two bytes of value or of the length of the value that follows.
constexpr std::uint8_t STORED_INSIDE = 3;
constexpr std::uint8_t STORED_BEHIND = 4;
constexpr std::uint8_t ATTRIBUTE_MAX_THREADS = 0x05;
constexpr std::uint8_t ATTRIBUTE_PARAMS_BYTES = 0x19;

template <class T>
T read(const char* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

void read_attributes(const char* at, const char* end, Entry* entry) {
    while (end - at >= 4) {
        const auto storage = read<std::uint8_t>(at), attribute = read<std::uint8_t>(at + 1);
        const auto value = read<std::uint16_t>(at + 2);
        at += 4;
        if (storage == STORED_INSIDE && attribute == ATTRIBUTE_PARAMS_BYTES) entry->params_bytes = value;
        if (storage != STORED_BEHIND) continue;
        if (attribute == ATTRIBUTE_MAX_THREADS && value >= 12 && end - at >= 12)
            entry->max_threads = read<std::uint32_t>(at) * read<std::uint32_t>(at + 4) * read<std::uint32_t>(at + 8);
        at += value;
    }
}

// The part of a section's name that follows `prefix`; nullptr if it begins in another way.
const char* after(const char* name, const char* prefix) {
    const std::size_t length = std::strlen(prefix);
    return std::strncmp(name, prefix, length) == 0 ? name + length : nullptr;
}

}    // namespace

bool is_elf(const char* image) { return std::strncmp(image, ELFMAG, SELFMAG) == 0; }

CUresult read_cubin(const char* image, Library* library, std::string* problem) {
    const auto header = read<Elf64_Ehdr>(image);
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != MACHINE_CUDA) {
        *problem = "the image is no machine code for a GPU";
        return CUDA_ERROR_INVALID_IMAGE;
    }
    library->machine_code = true;
    // The flags changed their places with CUDA 12.8, for GPUs from sm_100 on.
    library->target =
        static_cast<int>(header.e_ident[EI_ABIVERSION] < 8 ? header.e_flags & 0xff : header.e_flags >> 8 & 0xff);
    const auto section = [&](unsigned index) {
        return read<Elf64_Shdr>(image + header.e_shoff + std::size_t{index} * header.e_shentsize);
    };
    const char* const names = image + section(header.e_shstrndx).sh_offset;
    std::map<std::string, Entry> entries;
    for (unsigned index = 0; index < header.e_shnum; index++) {
        const Elf64_Shdr found = section(index);
        const char* const name = names + found.sh_name;
        const char* const content = image + found.sh_offset;
        if (const char* kernel = after(name, ".text."))
            entries[kernel].name = kernel;
        else if (const char* kernel = after(name, ".nv.info."))
            read_attributes(content, content + found.sh_size, &entries[kernel]);
        // From sm_90 on it counts what the system takes of every block.
        else if (const char* kernel = after(name, ".nv.shared.");
                 kernel != nullptr && after(kernel, "reserved.") == nullptr)
            entries[kernel].shared_bytes =
                found.sh_size - (library->target >= 90 ? RESERVED_SHARED_PER_BLOCK : std::size_t{0});
    }
    for (const auto& [kernel, entry] : entries)
        if (!entry.name.empty()) library->entries.push_back(entry);
    return CUDA_SUCCESS;
}

}    // namespace emu
