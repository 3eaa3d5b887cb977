// What a fuzzer defines. libFuzzer calls it with inputs it makes up, replay_main.cpp with the
// checked-in ones.
#pragma once

#include <cstddef>
#include <cstdint>

// Handles `size` hostile bytes. Must not crash, hang or keep state between calls; returns 0.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
