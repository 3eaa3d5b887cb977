#include "worker/device/rotary.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/attention/reference.h"
#include "worker/device/device.h"

namespace promptcache {
namespace {

using testing::RelativeError;
using testing::RotateReference;

const PositionSettings kRope = testing::Rope(64);
const RotaryParameters kRotary{.frequencies = kRope.frequencies};

std::vector<Position> Consecutive(Position first, int64_t count) {
  std::vector<Position> positions;
  for (int64_t i = 0; i < count; ++i) positions.push_back(first + static_cast<Position>(i));
  return positions;
}

at::Tensor Turn(const at::Tensor& x, const std::vector<Position>& positions, Position shift) {
  const std::vector<Position> shifts = {0, shift};
  const RotaryTable table(kRotary, positions, shifts, x.options());
  at::Tensor out = at::empty_like(x);
  Rotate(x, {.table = &table, .shift = 1}, out);
  return out;
}

TEST(Rotary, AnglesAreThoseOfThePositionMinusTheShift) {
  const at::Tensor x = at::randn({5, 3, 64}, at::kDouble);
  std::vector<Position> moved = Consecutive(8000 - 4711, 5);
  const at::Tensor expected = RotateReference(x.transpose(0, 1), moved, kRotary).transpose(0, 1);
  const auto positions = Consecutive(8000, 5);
  EXPECT_LE(RelativeError(Turn(x, positions, 4711), expected), 1e-12);
  EXPECT_LE(RelativeError(Turn(x.to(at::kFloat), positions, 4711), expected), 1e-6);
  EXPECT_LE(RelativeError(Turn(x.to(at::kBFloat16), positions, 4711), expected), 1e-2);
}

TEST(Rotary, TablesAtLongContextsAreExactToFloat) {
  const std::vector<Position> positions = {1'000'000, 2'000'000'000}, shifts = {0, -500'000};
  const RotaryTable table(kRotary, positions, shifts, at::TensorOptions());
  for (size_t s = 0; s < shifts.size(); ++s) {
    for (size_t r = 0; r < positions.size(); ++r) {
      const double frequency = std::pow(100000.0, -2.0 * 3 / 64);
      const double angle = (int64_t{positions[r]} - int64_t{shifts[s]}) * frequency;
      EXPECT_NEAR(table.cos()[s][r][3].item<float>(), std::cos(angle), 1e-6);
      EXPECT_NEAR(table.sin()[s][r][3].item<float>(), std::sin(angle), 1e-6);
    }
  }
}

TEST(Rotary, MagnitudeMultipliesWhatTurnsAndTheRestStays) {
  const PositionSettings rope = testing::Rope(24);
  const RotaryParameters rotary{.frequencies = rope.frequencies, .magnitude = 1.25};
  const std::vector<Position> positions = Consecutive(40, 5), none = {0};
  for (const at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const at::Tensor x = at::randn({5, 3, 64}, dtype);
    const RotaryTable table(rotary, positions, none, x.options());
    at::Tensor out = at::empty_like(x);
    Rotate(x, {.table = &table}, out);
    const at::Tensor turned = x.to(at::kDouble).narrow(2, 0, 24).transpose(0, 1);
    const at::Tensor expected = RotateReference(turned, positions, rotary).transpose(0, 1);
    EXPECT_LE(RelativeError(out.narrow(2, 0, 24), expected), 1e-6);
    EXPECT_TRUE(out.narrow(2, 24, 40).equal(x.narrow(2, 24, 40)));
  }
}

TEST(Rotary, WithoutFrequenciesNothingTurns) {
  const std::vector<Position> positions = Consecutive(40, 5), none = {0};
  const RotaryTable table({}, positions, none, at::TensorOptions());
  const at::Tensor x = at::randn({5, 3, 20});
  at::Tensor out = at::empty_like(x);
  Rotate(x, {.table = &table}, out, 0.5);
  EXPECT_TRUE(out.equal(x * 0.5));
}

TEST(Rotary, StridedViewsAndScale) {
  const at::Tensor storage = at::randn({7, 5, 200});
  const at::Tensor x = storage.narrow(1, 1, 3).narrow(2, 10, 64);
  at::Tensor out = at::zeros({3, 7, 70});
  const auto positions = Consecutive(-3, 9);
  const std::vector<Position> none = {0};
  const RotaryTable table(kRotary, positions, none, x.options());
  Rotate(x, {.table = &table, .first_row = 2}, out.narrow(2, 0, 64).transpose(0, 1), 0.125);
  const at::Tensor expected =
      RotateReference(x.to(at::kDouble).transpose(0, 1), Consecutive(-1, 7), kRotary) * 0.125;
  EXPECT_LE(RelativeError(out.narrow(2, 0, 64), expected), 1e-6);
  EXPECT_TRUE(out.narrow(2, 64, 6).equal(at::zeros({3, 7, 6})));
}

TEST(Rotary, RefusesShapesThatDoNotFit) {
  const auto positions = Consecutive(0, 4);
  const std::vector<Position> none = {0};
  const RotaryTable table(kRotary, positions, none, at::TensorOptions());
  const at::Tensor rows = at::zeros({5, 1, 64}), wide = at::zeros({4, 1, 32});
  EXPECT_THROW(Rotate(rows, {.table = &table}, rows), c10::Error);
  EXPECT_THROW(Rotate(wide, {.table = &table}, wide), c10::Error);
}

TEST(Rotary, CudaKernelEqualsItsCpuTwin) {
  const auto device = ParseDevice("cuda:0");
  if (!device.ok()) GTEST_SKIP() << device.status().ToString();
  const auto positions = Consecutive(5000, 130);
  const std::vector<Position> shifts = {0, 4711, -77};
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kDouble}) {
    const at::Tensor x = at::randn({128, 9, 64}).to(dtype);
    const at::Tensor expected = at::empty_like(x), out = at::empty_like(x.to(*device));
    const RotaryTable cpu(kRotary, positions, shifts, x.options());
    const RotaryTable cuda(kRotary, positions, shifts, out.options());
    Rotate(x, {.table = &cpu, .shift = 1, .first_row = 2}, expected, 0.5);
    Rotate(x.to(*device), {.table = &cuda, .shift = 1, .first_row = 2}, out, 0.5);
    const double tolerance = dtype == at::kDouble ? 1e-12 : dtype == at::kFloat ? 1e-6 : 1e-2;
    EXPECT_LE(RelativeError(out.cpu(), expected), tolerance) << dtype;
  }
}

TEST(Device, NamesAreChecked) {
  EXPECT_TRUE(ParseDevice("cpu").ok());
  for (const char* name : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:0x", "cuda:999"}) {
    EXPECT_EQ(ParseDevice(name).status().code(), Code::kInvalidArgument) << name;
  }
}

TEST(Device, AbsentGpuIsAFailedPrecondition) {
  const auto device = ParseDevice("cuda:127");
  ASSERT_EQ(device.status().code(), Code::kFailedPrecondition);
  EXPECT_NE(device.status().message().find("cuda:127"), std::string::npos);
  EXPECT_NE(device.status().message().find("use device cpu"), std::string::npos);
}

}  // namespace
}  // namespace promptcache
