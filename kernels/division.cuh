// Division by numbers that the host knows.
#pragma once

#include "params.cuh"

// A number that is not negative, divided.
struct Division {
    int quotient;
    int remainder;

    // The product with the reciprocal is less than 1 below the quotient, so the estimate is that or one less.
    __device__ __forceinline__ Division(int number, const Divisor& by)
        : quotient(static_cast<int>(__umulhi(static_cast<unsigned>(number), by.reciprocal))),
          remainder(number - quotient * by.value) {
        if (remainder >= by.value) {
            quotient++;
            remainder -= by.value;
        }
    }
};
