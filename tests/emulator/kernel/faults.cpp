// Memory faults: which thread of which block, at which line, touched what.
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block.h"
#include "report.h"

#ifdef EMU_SANITIZER
#include <sanitizer/common_interface_defs.h>
#endif

namespace emu {
namespace {

constexpr std::size_t SIGNAL_STACK_BYTES = 128 * 1024;

struct sigaction previous_segv, previous_bus;

// Is this the thread that runs the block? Others may fault at the same time for their own reasons.
thread_local bool runs_kernels;

void chain(const struct sigaction& previous, int signal, siginfo_t* info, void* context) {
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(signal, info, context);
    } else if (previous.sa_handler == SIG_DFL) {
        // Faults again after the return, this time with the default action.
        std::signal(signal, SIG_DFL);
    } else if (previous.sa_handler != SIG_IGN) {
        previous.sa_handler(signal);
    }
}

void say_address(const void* address) {
    for (unsigned i = 0; i < MAX_THREADS; i++)
        if (block.thread[i].fiber.guard_holds(address)) {
            say("  stack overflow of a CUDA thread: its stack ends here\n");
            return;
        }
    char text[512];
    if (describe_address != nullptr && describe_address(address, text, sizeof text)) say("  %s\n", text);
}

const void* code_of(void* context) {
    return reinterpret_cast<const void*>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
}

void on_fault(int signal, siginfo_t* info, void* context) {
    if (runs_kernels && block.current != nullptr) {
        if (info->si_code == SI_KERNEL)
            // x86 reports a misaligned 16-byte access without its address.
            say("emulator: misaligned 16-byte access, or access to an address that cannot exist\n");
        else
            say("emulator: bad access at %p\n", info->si_addr);
        say_address(info->si_addr);
        say_where(nullptr);
        say_source_lines(code_of(context));
        std::abort();
    }
    char text[512];
    if (signal == SIGSEGV && describe_address != nullptr && describe_address(info->si_addr, text, sizeof text)) {
        say("emulated driver: host code touches device memory at %p\n  %s\n", info->si_addr, text);
        say_source_lines(code_of(context));
    }
    chain(signal == SIGSEGV ? previous_segv : previous_bus, signal, info, context);
}

#ifdef EMU_SANITIZER
void on_sanitizer_death() {
    if (runs_kernels) say_where(nullptr);
}
#endif

}    // namespace

// The line numbers come from addr2line: reading debug information here would be a library of its own.
void say_source_lines(const void* code) {
    Dl_info library;
    link_map* map = nullptr;
    if (dladdr1(code, &library, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) == 0) return;
    const std::size_t offset = reinterpret_cast<std::uintptr_t>(code) - map->l_addr;
    say("  at %s+0x%zx\n", library.dli_fname, offset);
    char address[32];
    std::snprintf(address, sizeof address, "0x%zx", offset);
    // Not fork(): its handlers may take locks that the fault interrupted.
    const pid_t child = _Fork();
    if (child == 0) {
        dup2(STDERR_FILENO, STDOUT_FILENO);
        unsetenv("LD_PRELOAD");
        unsetenv("LD_LIBRARY_PATH");
        execlp("addr2line", "addr2line", "-C", "-f", "-i", "-p", "-s", "-e", library.dli_fname, address, nullptr);
        _exit(127);
    }
    if (child > 0) waitpid(child, nullptr, 0);
}

void install_fault_handlers() {
    struct sigaction action = {};
    action.sa_sigaction = &on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &previous_segv);
    sigaction(SIGBUS, &action, &previous_bus);
#ifdef EMU_SANITIZER
    // UndefinedBehaviorSanitizer is linked in, AddressSanitizer comes with the process: two copies of this function.
    __sanitizer_set_death_callback(&on_sanitizer_death);
    using SetCallback = void (*)(void (*)());
    if (const auto set = reinterpret_cast<SetCallback>(dlsym(RTLD_DEFAULT, "__sanitizer_set_death_callback")))
        set(&on_sanitizer_death);
#endif
}

KernelThread::KernelThread() {
    // The fault may be that the stack is used up.
    signal_stack_ = mmap(nullptr, SIGNAL_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (signal_stack_ == MAP_FAILED) die(nullptr, "cannot map a signal stack");
    const stack_t stack = {.ss_sp = signal_stack_, .ss_flags = 0, .ss_size = SIGNAL_STACK_BYTES};
    sigaltstack(&stack, nullptr);
    runs_kernels = true;
}

KernelThread::~KernelThread() {
    const stack_t none = {.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
    sigaltstack(&none, nullptr);
    munmap(signal_stack_, SIGNAL_STACK_BYTES);
}

}    // namespace emu
