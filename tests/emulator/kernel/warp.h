// Warp shuffles and votes.
#pragma once

#include <cstring>
#include <type_traits>

namespace emu {

template <class T>
T shuffle(unsigned mask, T value, unsigned source, bool exists, const Place& place) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "CUDA shuffles take 4- and 8-byte values");
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    const std::uint64_t* const values = meet(WarpOperation::shuffle, mask, bits, place);
    if (!exists) return value;
    if (!(mask >> source & 1)) die(&place, "a shuffle reads lane %u, which the mask %08x does not name", source, mask);
    std::memcpy(&value, &values[source], sizeof value);
    return value;
}

inline unsigned vote(unsigned mask, bool predicate, const Place& place) {
    const std::uint64_t* const values = meet(WarpOperation::vote, mask, predicate, place);
    unsigned ballot = 0;
    for (unsigned i = 0; i < WARP_LANES; i++)
        if (mask >> i & 1 && values[i] != 0) ballot |= 1u << i;
    return ballot;
}

inline void check_width(int width, const Place& place) {
    if (width <= 0 || width > 32 || (width & (width - 1)) != 0)
        die(&place, "a shuffle width of %d is not a power of two up to 32", width);
}

}    // namespace emu

inline void __syncwarp(unsigned mask = 0xffffffffu, emu::Place place = emu::Place::current()) {
    emu::meet(emu::WarpOperation::sync, mask, 0, place);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, emu::Place place = emu::Place::current()) {
    emu::check_width(width, place);
    const unsigned first = emu::lane() & ~(width - 1u);
    return emu::shuffle(mask, value, first | (source & (width - 1)), true, place);
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, emu::Place place = emu::Place::current()) {
    emu::check_width(width, place);
    const unsigned lane = emu::lane();
    return emu::shuffle(mask, value, lane - delta, (lane & (width - 1u)) >= delta, place);
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, emu::Place place = emu::Place::current()) {
    emu::check_width(width, place);
    const unsigned lane = emu::lane();
    return emu::shuffle(mask, value, lane + delta, (lane & (width - 1u)) + delta < unsigned(width), place);
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, unsigned bits, int width = 32, emu::Place place = emu::Place::current()) {
    emu::check_width(width, place);
    const unsigned source = emu::lane() ^ bits;
    return emu::shuffle(mask, value, source, source <= (emu::lane() | (width - 1u)), place);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, emu::Place place = emu::Place::current()) {
    return emu::vote(mask, predicate != 0, place);
}
inline int __any_sync(unsigned mask, int predicate, emu::Place place = emu::Place::current()) {
    return emu::vote(mask, predicate != 0, place) != 0;
}
inline int __all_sync(unsigned mask, int predicate, emu::Place place = emu::Place::current()) {
    return emu::vote(mask, predicate != 0, place) == mask;
}
