// Streams at work: what the API functions are made of. The driver is locked in all of them.
#pragma once

#include "state.h"

namespace emu {

// The stream that a CUstream argument stands for, NULL and the special values included.
CUresult find_stream(CUstream handle, std::shared_ptr<Stream>* stream);

// Puts work at the end of a stream, or into the graph that it captures.
CUresult enqueue(const std::shared_ptr<Stream>& stream, Work work);

Moment now(const std::shared_ptr<Stream>& stream);
// Blocks until then; returns the device's error, if it has one by then.
CUresult wait_for(const Moment& moment, Lock& lock);
CUresult wait_for_context(const std::shared_ptr<Context>& context, Lock& lock);
// Blocks until every stream of every context is empty. Takes the driver's lock itself.
void wait_for_everything();

// Enqueues on the legacy stream of the current context and waits: the synchronous calls.
CUresult run_synchronously(Work work, Lock& lock);

// Fails, and spoils the captures, if a capture of whatever thread forbids calls that may synchronise or allocate.
CUresult forbid_in_capture();
// The same for a call on a stream that itself captures.
CUresult forbid_on_capturing(const std::shared_ptr<Stream>& stream);
void invalidate(Capture& capture);

std::vector<std::shared_ptr<Stream>> streams_of(const std::shared_ptr<Context>& context);
std::shared_ptr<Stream> make_stream(const std::shared_ptr<Context>& context, unsigned flags);
void close_stream(Stream& stream);

// Contexts, for the functions that need one.
std::shared_ptr<Context> current_context();
CUresult require_context(std::shared_ptr<Context>* context);

}    // namespace emu
