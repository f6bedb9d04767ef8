# void emu_switch_stack(void** save, void* load): pushes the callee-saved registers, stores the stack pointer in *save,
# and continues where `load` was saved. MXCSR and the x87 control word are the same for all fibres and stay as they are.
    .text
    .globl emu_switch_stack
    .hidden emu_switch_stack
    .type emu_switch_stack, @function
emu_switch_stack:
    .cfi_startproc
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .cfi_endproc
    .size emu_switch_stack, . - emu_switch_stack
    .section .note.GNU-stack, "", @progbits
