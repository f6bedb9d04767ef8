#include "tensor_map.h"

#include <cstring>

namespace emu {

void TensorMap::gather(char* to, const int* corner, const Place& place) const {
    unsigned index[TENSOR_RANK] = {};
    const unsigned elements = box_bytes() / element_bytes;
    for (unsigned n = 0; n < elements; n++, to += element_bytes) {
        const char* from = data;
        bool inside = true;
        for (int i = 0; i < rank; i++) {
            const long long at = static_cast<long long>(corner[i]) + index[i];
            inside = inside && at >= 0 && at <= static_cast<long long>(last[i]);
            from += at * static_cast<long long>(i == 0 ? element_bytes : stride[i - 1]);
        }
        if (inside) {
            check_access(from, element_bytes, element_bytes, false, place);
            std::memcpy(to, from, element_bytes);
        } else {
            std::memset(to, fill_nan ? 0xff : 0, element_bytes);
        }
        for (int i = 0; i < rank; i++) {
            index[i] += step[i];
            if (index[i] < box[i]) break;
            index[i] = 0;
        }
    }
}

}    // namespace emu
