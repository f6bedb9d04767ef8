// What the emulator says when a kernel does something wrong, and the seeds that make a run repeatable.
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "block.h"
#include "report.h"

namespace emu {

bool (*describe_address)(const void* address, char* text, std::size_t bytes);

void say(const char* format, ...) {
    char text[24 * 1024];
    std::va_list arguments;
    va_start(arguments, format);
    int length = std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length >= static_cast<int>(sizeof text)) length = sizeof text - 1;
    // Straight to the descriptor: this runs in signal handlers, and test frameworks swallow buffered output.
    for (int written = 0; written < length;) {
        const ssize_t n = write(STDERR_FILENO, text + written, length - written);
        if (n <= 0) return;
        written += static_cast<int>(n);
    }
}

void say_where(const Place* place) {
    if (block.launch == nullptr) return;
    const Index& b = indices.block;
    say("  kernel %s, block (%u,%u,%u)", block.launch->kernel->name, b.x, b.y, b.z);
    if (block.current != nullptr) {
        const Index& t = block.current->index;
        say(", thread (%u,%u,%u)", t.x, t.y, t.z);
    }
    if (place != nullptr) say(", %s:%u", place->file_name(), place->line());
    say("\n  seed %llu (FSSIM_EMU_SEED)\n", static_cast<unsigned long long>(seed()));
}

void die(const Place* place, const char* format, ...) {
    char text[20 * 1024];
    std::va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    say("emulator: %s\n", text);
    say_where(place);
    std::abort();
}

namespace {

std::uint64_t draw_seed() {
    const char* const given = std::getenv("FSSIM_EMU_SEED");
    if (given != nullptr && *given != '\0') return std::strtoull(given, nullptr, 0);
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return Random(static_cast<std::uint64_t>(now.tv_nsec) ^ static_cast<std::uint64_t>(getpid()) << 32).next() %
           1000000;
}

}    // namespace

std::uint64_t seed() {
    static const std::uint64_t drawn = draw_seed();
    return drawn;
}

std::uint64_t next_seed() {
    static std::atomic<std::uint64_t> calls;
    const std::uint64_t call = calls++;
    if (call == 0 && std::getenv("FSSIM_EMU_QUIET") == nullptr)
        say("emulator: seed %llu (FSSIM_EMU_SEED repeats this order)\n", static_cast<unsigned long long>(seed()));
    return Random(seed() + call * 0x632be59bd9b4e019u).next();
}

}    // namespace emu
