// Matrix operations of a whole warp, with the fragments of the PTX ISA; used through include/intrinsics.cuh. In all of them
// the 32 lanes take part, and a register holds two 16-bit elements, the first in its low half.
//
// Lane 4 i + j has row i and columns 2 j and 2 j + 1 of an 8 x 8 matrix.
#pragma once

#include "runtime.h"

namespace emu {

// mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 onto d: d += a b. Each product is exact; they are added up in float, in
// order, and then to d. A GPU adds in another order and may round otherwise.
void mma_m16n8k16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], Place place);

// movmatrix.sync.aligned.m8n8.trans.b16: the transposed matrix.
unsigned movmatrix(unsigned row, Place place);

// ldmatrix.sync.aligned.m8n8.xCOUNT.shared.b16: lane 8 m + i brings the address of row i of matrix m, 16 bytes in shared
// memory; those of the lanes from 8 COUNT on are ignored.
void ldmatrix(unsigned* registers, int count, bool transposed, const void* row, Place place);

}    // namespace emu
