// Where the lanes of a warp meet: shuffles, votes, __syncwarp, matrix operations.
#include <bit>
#include <cstring>

#include "block.h"

namespace emu {
namespace {

Meeting& find_meeting(Warp& warp, unsigned mask, const Place& place) {
    for (unsigned i = 0; i < warp.meetings; i++)
        if (warp.meeting[i].mask == mask) return warp.meeting[i];
    if (warp.meetings == Warp::MEETINGS) die(&place, "more than %u different masks in one warp", Warp::MEETINGS);
    Meeting& meeting = warp.meeting[warp.meetings++];
    meeting.mask = mask;
    meeting.arrived = 0;
    meeting.parity = 0;
    return meeting;
}

void check_mask(const Warp& warp, unsigned lane, unsigned mask, const Place& place) {
    if (!(mask >> lane & 1)) die(&place, "the mask %08x does not name the calling lane, %u", mask, lane);
    if (const unsigned gone = mask & warp.exited)
        die(&place, "the mask %08x names lane %u, which has exited", mask, std::countr_zero(gone));
    if (const unsigned missing = mask & ~warp.present)
        die(&place, "the mask %08x names lane %u, which the block does not have", mask, std::countr_zero(missing));
}

void release(const Warp& warp, unsigned mask) {
    const unsigned first = static_cast<unsigned>(&warp - block.warp) * WARP_LANES;
    for (unsigned l = 0; l < WARP_LANES; l++)
        if (mask >> l & 1) block.thread[first + l].state = State::ready;
}

// The meeting that the current lane comes to.
Meeting& arrive(WarpOperation operation, unsigned mask, const Place& place) {
    Warp& warp = block.warp[block.current->linear / WARP_LANES];
    check_mask(warp, lane(), mask, place);
    Meeting& meeting = find_meeting(warp, mask, place);
    if (meeting.arrived == 0) {
        meeting.operation = operation;
        meeting.place = place;
    } else if (meeting.operation != operation || meeting.place.line() != place.line()) {
        die(&place, "lanes of one warp diverge: lane %u is here, others at %s:%u", lane(), meeting.place.file_name(),
            meeting.place.line());
    }
    return meeting;
}

void wait_for_others(Meeting& meeting, const Place& place) {
    meeting.arrived |= 1u << lane();
    checker_release(&meeting);
    if (meeting.arrived == meeting.mask) {
        meeting.arrived = 0;
        meeting.parity ^= 1;
        release(block.warp[block.current->linear / WARP_LANES], meeting.mask);
    } else {
        wait_in(State::at_warp_operation, place);
    }
    checker_acquire(&meeting);
}

}    // namespace

unsigned lane() { return block.current->linear % WARP_LANES; }

const std::uint64_t* meet(WarpOperation operation, unsigned mask, std::uint64_t bits, Place place) {
    Meeting& meeting = arrive(operation, mask, place);
    std::uint64_t* const values = meeting.values[meeting.parity];
    values[lane()] = bits;
    wait_for_others(meeting, place);
    return values;
}

const Operand& meet_all(const void* brought, std::size_t bytes, void (*combine)(WarpOperands& lanes), Place place) {
    Meeting& meeting = arrive(WarpOperation::matrix, ~0u, place);
    WarpOperands& operands = block.warp[block.current->linear / WARP_LANES].operands[meeting.parity];
    std::memcpy(operands[lane()].bytes, brought, bytes);
    if ((meeting.arrived | 1u << lane()) == meeting.mask) combine(operands);
    wait_for_others(meeting, place);
    return operands[lane()];
}

void check_warp_exit(const Thread& thread) {
    const Warp& warp = block.warp[thread.linear / WARP_LANES];
    const unsigned lane = thread.linear % WARP_LANES;
    for (unsigned i = 0; i < warp.meetings; i++) {
        const Meeting& meeting = warp.meeting[i];
        if (meeting.arrived != 0 && meeting.mask >> lane & 1)
            die(&meeting.place, "lane %u exits, lane %d waits for it in a warp operation with the mask %08x", lane,
                std::countr_zero(meeting.arrived), meeting.mask);
    }
}

}    // namespace emu
