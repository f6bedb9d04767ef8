// Atomic operations. Threads of the emulator take turns at barriers only, so a plain read and write is atomic; going
// through here tells the checker that no race is meant.
#pragma once

namespace emu {

void check_atomic(const void* address, std::size_t bytes, const Place& place);

// Outside the checker's instrumentation, which would take the accesses for plain ones.
template <class T, class F>
__attribute__((no_sanitize("thread"), noinline)) T atomically(T* address, F change, const Place& place) {
    check_atomic(address, sizeof(T), place);
    const T old = *address;
    *address = change(old);
    return old;
}

}    // namespace emu

template <class T>
T atomicAdd(T* address, T value, emu::Place place = emu::Place::current()) {
    return emu::atomically(address, [=](T old) { return T(old + value); }, place);
}
template <class T>
T atomicSub(T* address, T value, emu::Place place = emu::Place::current()) {
    return emu::atomically(address, [=](T old) { return T(old - value); }, place);
}
template <class T>
T atomicMin(T* address, T value, emu::Place place = emu::Place::current()) {
    return emu::atomically(address, [=](T old) { return value < old ? value : old; }, place);
}
template <class T>
T atomicMax(T* address, T value, emu::Place place = emu::Place::current()) {
    return emu::atomically(address, [=](T old) { return old < value ? value : old; }, place);
}
template <class T>
T atomicExch(T* address, T value, emu::Place place = emu::Place::current()) {
    return emu::atomically(address, [=](T) { return value; }, place);
}
template <class T>
T atomicCAS(T* address, T expected, T value, emu::Place place = emu::Place::current()) {
    return emu::atomically(address, [=](T old) { return old == expected ? value : old; }, place);
}
template <class T>
T atomicOr(T* address, T value, emu::Place place = emu::Place::current()) {
    return emu::atomically(address, [=](T old) { return T(old | value); }, place);
}
template <class T>
T atomicAnd(T* address, T value, emu::Place place = emu::Place::current()) {
    return emu::atomically(address, [=](T old) { return T(old & value); }, place);
}
// Counts 0..limit and starts again.
inline unsigned atomicInc(unsigned* address, unsigned limit, emu::Place place = emu::Place::current()) {
    return emu::atomically(address, [=](unsigned old) { return old >= limit ? 0u : old + 1; }, place);
}
