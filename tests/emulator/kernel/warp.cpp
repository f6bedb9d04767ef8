// Where the lanes of a warp meet: shuffles, votes, __syncwarp.
#include <bit>

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

}  // namespace

unsigned lane() { return block.current->linear % WARP_LANES; }

const std::uint64_t* meet(WarpOperation operation, unsigned mask, std::uint64_t bits, Place place) {
    Thread& self = *block.current;
    Warp& warp = block.warp[self.linear / WARP_LANES];
    const unsigned lane = self.linear % WARP_LANES;
    check_mask(warp, lane, mask, place);
    Meeting& meeting = find_meeting(warp, mask, place);
    if (meeting.arrived == 0) {
        meeting.operation = operation;
        meeting.place = place;
    } else if (meeting.operation != operation || meeting.place.line() != place.line()) {
        die(&place, "lanes of one warp diverge: lane %u is here, others at %s:%u", lane, meeting.place.file_name(),
            meeting.place.line());
    }
    std::uint64_t* const values = meeting.values[meeting.parity];
    values[lane] = bits;
    meeting.arrived |= 1u << lane;
    checker_release(&meeting);
    if (meeting.arrived == mask) {
        meeting.arrived = 0;
        meeting.parity ^= 1;
        release(warp, mask);
    } else {
        wait_in(State::at_warp_operation, place);
    }
    checker_acquire(&meeting);
    return values;
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

}  // namespace emu
