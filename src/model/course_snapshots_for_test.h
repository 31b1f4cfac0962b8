// For tests against snapshots of a teaching course (../shared/data/fixtures/cs336), where they are at hand: the numbers
// that PyTorch draws on a CPU from a seed, which are those snapshots' inputs, and arrays from its .npz files.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <numbers>
#include <random>
#include <string>
#include <vector>

namespace loquat {

inline std::string course_snapshot(const std::string& name) {
  return std::string(LOQUAT_SOURCE_DIR) + "/../shared/data/fixtures/cs336/" + name + ".npz";
}

// torch.manual_seed and what follows it.
class TorchRandom {
 public:
  explicit TorchRandom(uint32_t seed) : engine_(seed) {}
  // torch.rand: 24 bits each.
  float uniform() { return static_cast<float>(engine_() & 0xFFFFFF) / static_cast<float>(1 << 24); }
  // torch.randn of a multiple of 16 numbers: Box and Muller's pairs lie eight apart.
  std::vector<float> normal(size_t count) {
    std::vector<float> out(count);
    for (float& x : out) x = uniform();
    for (size_t i = 0; i < count; ++i) {
      if (i % 16 >= 8) continue;
      const double radius = std::sqrt(-2 * std::log(1 - double{out[i]})), angle = 2 * std::numbers::pi * out[i + 8];
      out[i] = static_cast<float>(radius * std::cos(angle));
      out[i + 8] = static_cast<float>(radius * std::sin(angle));
    }
    return out;
  }

 private:
  std::mt19937 engine_;
};

// The float32 array of an .npz with one, which NumPy stores unpacked; empty where it is none.
inline std::vector<float> read_npz(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const size_t array = bytes.find("\x93NUMPY\x01");
  if (array == std::string::npos || array + 10 > bytes.size()) return {};
  const auto byte = [&](size_t at) { return static_cast<size_t>(static_cast<unsigned char>(bytes[at])); };
  const size_t begin = array + 10 + byte(array + 8) + 256 * byte(array + 9);
  const std::string header = bytes.substr(array, begin - array);
  if (header.find("'<f4'") == std::string::npos) return {};
  const size_t open = header.find("'shape': (") + 10;
  size_t count = 1;
  for (const char* p = header.c_str() + open; *p != ')';) {
    char* end = nullptr;
    count *= std::strtoul(p, &end, 10);
    for (p = end; *p == ',' || *p == ' '; ++p) {
    }
  }
  if (begin + count * sizeof(float) > bytes.size()) return {};
  std::vector<float> out(count);
  std::memcpy(out.data(), bytes.data() + begin, count * sizeof(float));
  return out;
}

}  // namespace loquat
