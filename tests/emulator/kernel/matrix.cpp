#include "matrix.h"

#include <bit>
#include <cstring>

namespace emu {
namespace {

constexpr unsigned ROWS = 8;

template <class T>
T taken(const Operand& operand) {
    static_assert(sizeof(T) <= Operand::BYTES);
    T value;
    std::memcpy(&value, operand.bytes, sizeof value);
    return value;
}

template <class T>
void leave(Operand& operand, const T& value) {
    static_assert(sizeof(T) <= Operand::BYTES);
    std::memcpy(operand.bytes, &value, sizeof value);
}

// Eight rows of eight elements.
using Matrix = std::uint16_t[ROWS][8];

unsigned fragment(const Matrix& matrix, unsigned lane, bool transposed) {
    const unsigned i = lane / 4, j = lane % 4 * 2;
    const std::uint16_t first = transposed ? matrix[j][i] : matrix[i][j];
    const std::uint16_t second = transposed ? matrix[j + 1][i] : matrix[i][j + 1];
    return first | unsigned{second} << 16;
}

void transpose(WarpOperands& lanes) {
    Matrix matrix;
    for (unsigned l = 0; l < WARP_LANES; l++) std::memcpy(&matrix[l / 4][l % 4 * 2], lanes[l].bytes, 4);
    for (unsigned l = 0; l < WARP_LANES; l++) leave(lanes[l], fragment(matrix, l, true));
}

struct Factors {
    unsigned a[4];
    unsigned b[2];
};
struct Sums {
    float d[4];
};

float low(unsigned pair) { return static_cast<float>(std::bit_cast<_Float16>(static_cast<std::uint16_t>(pair))); }
float high(unsigned pair) { return low(pair >> 16); }

void multiply(WarpOperands& lanes) {
    constexpr unsigned M = 16, N = 8, K = 16;
    float a[M][K], b[K][N], d[M][N] = {};
    for (unsigned l = 0; l < WARP_LANES; l++) {
        const Factors factors = taken<Factors>(lanes[l]);
        const unsigned i = l / 4, j = l % 4 * 2;
        for (unsigned r = 0; r < 4; r++) {
            float* const two = &a[i + r % 2 * 8][j + r / 2 * 8];
            two[0] = low(factors.a[r]);
            two[1] = high(factors.a[r]);
        }
        for (unsigned r = 0; r < 2; r++) {
            b[j + r * 8][i] = low(factors.b[r]);
            b[j + r * 8 + 1][i] = high(factors.b[r]);
        }
    }
    for (unsigned m = 0; m < M; m++)
        for (unsigned k = 0; k < K; k++)
            for (unsigned n = 0; n < N; n++) d[m][n] += a[m][k] * b[k][n];
    for (unsigned l = 0; l < WARP_LANES; l++) {
        const unsigned i = l / 4, j = l % 4 * 2;
        leave(lanes[l], Sums{{d[i][j], d[i][j + 1], d[i + 8][j], d[i + 8][j + 1]}});
    }
}

// What a lane brings to ldmatrix.
struct Row {
    const void* address;    // NULL: not used
    bool transposed;
};

void load(WarpOperands& lanes) {
    const bool transposed = taken<Row>(lanes[0]).transposed;
    Matrix matrices[4];
    unsigned count = 0;
    for (; count < 4 && taken<Row>(lanes[count * ROWS]).address != nullptr; count++)
        for (unsigned i = 0; i < ROWS; i++)
            std::memcpy(matrices[count][i], taken<Row>(lanes[count * ROWS + i]).address, sizeof matrices[count][i]);
    for (unsigned l = 0; l < WARP_LANES; l++) {
        unsigned registers[4] = {};
        for (unsigned m = 0; m < count; m++) registers[m] = fragment(matrices[m], l, transposed);
        std::memcpy(lanes[l].bytes, registers, sizeof registers);
    }
}

}    // namespace

void mma_m16n8k16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], Place place) {
    const Factors factors = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
    const Sums sums = taken<Sums>(meet_all(&factors, sizeof factors, &multiply, place));
    for (int i = 0; i < 4; i++) d[i] += sums.d[i];
}

unsigned movmatrix(unsigned row, Place place) { return taken<unsigned>(meet_all(&row, sizeof row, &transpose, place)); }

void ldmatrix(unsigned* registers, int count, bool transposed, const void* address, Place place) {
    const Row row = {lane() < count * ROWS ? address : nullptr, transposed};
    if (row.address != nullptr) {
        if (!is_shared(address)) die(&place, "ldmatrix reads shared memory, and %p is not", address);
        check_access(address, sizeof(Matrix) / ROWS, sizeof(Matrix) / ROWS, false, place);
    }
    std::memcpy(registers, meet_all(&row, sizeof row, &load, place).bytes, count * sizeof *registers);
}

}    // namespace emu
