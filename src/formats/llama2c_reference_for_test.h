// For tests: llama2.c's model and tokenizer, straight from their .bin files, in plain float32 loops. It shares no code
// with src/model or src/tokenizer.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

namespace loquat {

inline std::string bytes_of_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

class Llama2cReference {
 public:
  // `round` is applied to every matrix's values, as a file with narrower ones would.
  explicit Llama2cReference(
      const std::string& bytes, const std::function<float(float)>& round = [](float x) { return x; }) {
    int32_t h[7];
    std::memcpy(h, bytes.data(), 28);
    dim = h[0], hidden = h[1], layers = h[2], heads = h[3], kv_heads = h[4], vocab = std::abs(h[5]), positions = h[6];
    const char* at = bytes.data() + 28;
    const auto take = [&](int64_t n, bool matrix) {
      std::vector<float> values(n);
      std::memcpy(values.data(), at, n * 4);
      at += n * 4;
      for (float& x : values) x = matrix ? round(x) : x;
      return values;
    };
    const int64_t kv = dim / heads * kv_heads;
    embedding = take(vocab * dim, true);
    norm1 = take(layers * dim, false);
    wq = take(layers * dim * dim, true);
    wk = take(layers * dim * kv, true);
    wv = take(layers * dim * kv, true);
    wo = take(layers * dim * dim, true);
    norm2 = take(layers * dim, false);
    w1 = take(layers * dim * hidden, true);
    w2 = take(layers * dim * hidden, true);
    w3 = take(layers * dim * hidden, true);
    last_norm = take(dim, false);
    take(positions * (dim / heads), false);
    output = h[5] < 0 ? take(vocab * dim, true) : embedding;
  }

  // Greedy, from the prompt to `count` tokens in all.
  std::vector<int> generate(std::vector<int> tokens, size_t count) {
    std::vector<float> logits;
    for (size_t p = 0; p < count; ++p) {
      logits = step(tokens[p], static_cast<int64_t>(p));
      if (p + 1 < tokens.size()) continue;
      int best = 0;
      for (int i = 1; i < vocab; ++i)
        if (logits[i] > logits[best]) best = i;
      tokens.push_back(best);
    }
    tokens.resize(count);
    return tokens;
  }

  int64_t dim, hidden, layers, heads, kv_heads, vocab, positions;

 private:
  using Vector = std::vector<float>;

  Vector product(const Vector& w, int64_t begin, int64_t rows, const Vector& x) {
    Vector y(rows);
    const auto n = static_cast<int64_t>(x.size());
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < n; ++c) y[r] += w[begin + r * n + c] * x[c];
    return y;
  }

  Vector normed(const Vector& x, const Vector& w, int64_t begin) {
    float sum = 0;
    for (const float v : x) sum += v * v;
    const float scale = 1.0f / std::sqrt(sum / static_cast<float>(dim) + 1e-5f);
    Vector y(dim);
    for (int64_t i = 0; i < dim; ++i) y[i] = w[begin + i] * (scale * x[i]);
    return y;
  }

  // Neighbours turn together.
  void rotate(Vector& x, int64_t position) {
    const int64_t d = dim / heads;
    for (size_t i = 0; i < x.size(); i += 2) {
      const float angle = static_cast<float>(position) *
                          std::pow(10000.0f, -static_cast<float>(static_cast<int64_t>(i) % d) / static_cast<float>(d));
      const float c = std::cos(angle), s = std::sin(angle), a = x[i], b = x[i + 1];
      x[i] = a * c - b * s;
      x[i + 1] = a * s + b * c;
    }
  }

  Vector attend(int64_t layer, const Vector& q, int64_t position) {
    const int64_t d = dim / heads, kv = d * kv_heads;
    Vector out(dim);
    for (int64_t h = 0; h < heads; ++h) {
      const int64_t g = h / (heads / kv_heads) * d;
      Vector p(position + 1);
      float most = -INFINITY, sum = 0;
      for (int64_t t = 0; t <= position; ++t) {
        for (int64_t i = 0; i < d; ++i) p[t] += q[h * d + i] * keys[layer][t * kv + g + i];
        p[t] /= std::sqrt(static_cast<float>(d));
        most = std::max(most, p[t]);
      }
      for (float& v : p) sum += v = std::exp(v - most);
      for (int64_t t = 0; t <= position; ++t)
        for (int64_t i = 0; i < d; ++i) out[h * d + i] += p[t] / sum * values[layer][t * kv + g + i];
    }
    return out;
  }

  Vector step(int token, int64_t position) {
    if (position == 0) keys.assign(layers, {}), values.assign(layers, {});
    const int64_t kv = dim / heads * kv_heads;
    Vector x(embedding.begin() + token * dim, embedding.begin() + (token + 1) * dim);
    for (int64_t l = 0; l < layers; ++l) {
      const Vector a = normed(x, norm1, l * dim);
      Vector q = product(wq, l * dim * dim, dim, a), k = product(wk, l * dim * kv, kv, a);
      const Vector v = product(wv, l * dim * kv, kv, a);
      rotate(q, position);
      rotate(k, position);
      keys[l].insert(keys[l].end(), k.begin(), k.end());
      values[l].insert(values[l].end(), v.begin(), v.end());
      const Vector o = product(wo, l * dim * dim, dim, attend(l, q, position));
      for (int64_t i = 0; i < dim; ++i) x[i] += o[i];
      const Vector b = normed(x, norm2, l * dim);
      Vector gate = product(w1, l * dim * hidden, hidden, b);
      const Vector up = product(w3, l * dim * hidden, hidden, b);
      for (int64_t i = 0; i < hidden; ++i) gate[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
      const Vector down = product(w2, l * dim * hidden, dim, gate);
      for (int64_t i = 0; i < dim; ++i) x[i] += down[i];
    }
    return product(output, 0, vocab, normed(x, last_norm, 0));
  }

  Vector embedding, norm1, wq, wk, wv, wo, norm2, w1, w2, w3, last_norm, output;
  std::vector<Vector> keys, values;
};

// llama2.c's tokenizer.bin: the longest piece's length, then score, length and bytes of each. Encodes with <s> and a
// space before the text; ASCII only.
inline std::vector<int> llama2c_encode(const std::string& bytes, int vocab, const std::string& text) {
  std::vector<std::string> pieces;
  std::vector<float> scores(vocab);
  size_t at = 4;
  for (int i = 0; i < vocab; ++i) {
    int32_t length;
    std::memcpy(&scores[i], bytes.data() + at, 4);
    std::memcpy(&length, bytes.data() + at + 4, 4);
    pieces.push_back(bytes.substr(at + 8, length));
    at += 8 + length;
  }
  const auto find = [&](const std::string& piece) {
    for (int i = 0; i < vocab; ++i)
      if (pieces[i] == piece) return i;
    return -1;
  };
  std::vector<int> ids = {1};
  for (const char c : " " + text) ids.push_back(find(std::string(1, c)));
  while (true) {
    float best = -1e10f;
    size_t where = 0;
    int id = -1;
    for (size_t i = 1; i + 1 < ids.size(); ++i) {
      const int joined = find(pieces[ids[i]] + pieces[ids[i + 1]]);
      if (joined >= 0 && scores[joined] > best) best = scores[joined], where = i, id = joined;
    }
    if (id < 0) return ids;
    ids[where] = id;
    ids.erase(ids.begin() + static_cast<int64_t>(where) + 1);
  }
}

}  // namespace loquat
