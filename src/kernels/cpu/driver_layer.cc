// Drivers of the layer's row-wise parts, of attention, and of flat vectors.
#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "base/threads.h"
#include "kernels/cpu/drivers.h"

namespace loquat::cpu {
namespace {

constexpr int64_t kElementsPerPart = 1 << 14;
constexpr int64_t kNormRows = 128;  // rows whose part of dweight is summed first

int64_t row_grain(int64_t cols) {
  return std::max<int64_t>(1, kElementsPerPart / std::max<int64_t>(1, cols));
}

void check_same(const char* what, const Mat& a, const Mat& b) {
  CHECK(a.rows == b.rows && a.cols == b.cols, "{}: [{}, {}] beside [{}, {}]", what, a.rows, a.cols, b.rows, b.cols);
}

}  // namespace

void embedding(const Inner&, Mat x, const float* table, const int32_t* tokens) {
  float* data = x.f32();
  parallel_blocks(x.rows, row_grain(x.cols), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      std::memcpy(data + t * x.stride, table + tokens[t] * x.cols, sizeof(float) * static_cast<size_t>(x.cols));
    }
  });
}

// Cut by columns: every part adds all tokens, in order, to columns of its own.
void embedding_backward(const Inner& inner, float* dtable, int64_t vocab, Mat dx, const int32_t* tokens) {
  const float* data = dx.f32();
  for (int64_t t = 0; t < dx.rows; ++t) {
    CHECK(tokens[t] >= 0 && tokens[t] < vocab, "token {} of a vocabulary of {}", tokens[t], vocab);
  }
  parallel_blocks(dx.cols, 64, [&](int64_t begin, int64_t end) {
    for (int64_t t = 0; t < dx.rows; ++t) {
      inner.rows->axpby(dtable + tokens[t] * dx.cols + begin, data + t * dx.stride + begin, end - begin, 1, 1);
    }
  });
}

void rms_norm(const Inner& inner, Mat y, Mat x, const float* weight, float eps, float* rstd) {
  check_same("rms_norm", y, x);
  CHECK(x.dtype == DType::kF32, "rms_norm reads float32");
  parallel_blocks(x.rows, row_grain(x.cols), [&](int64_t begin, int64_t end) {
    inner.rows->rms_norm(view(y, begin), view(x, begin), end - begin, x.cols, weight, eps,
                         rstd ? rstd + begin : nullptr);
  });
}

void rms_norm_backward(const Inner& inner, Mat dx, float* dweight, Mat dy, Mat x, const float* weight,
                       const float* rstd) {
  check_same("rms_norm_backward", dx, x);
  check_same("rms_norm_backward", dy, x);
  CHECK(x.dtype == DType::kF32 && dx.dtype == DType::kF32, "rms_norm_backward reads and adds float32");
  const int64_t blocks = (x.rows + kNormRows - 1) / kNormRows;
  const size_t floats = static_cast<size_t>(blocks * x.cols);
  float* partial = static_cast<float*>(scratch(kDriverPartials, sizeof(float) * floats));
  std::fill_n(partial, floats, 0.0f);
  parallel_blocks(x.rows, kNormRows, [&](int64_t begin, int64_t end) {
    inner.rows->rms_norm_backward(view(dx, begin), partial + begin / kNormRows * x.cols, view(dy, begin),
                                  view(x, begin), end - begin, x.cols, weight, rstd + begin);
  });
  if (dweight == nullptr) return;
  for (int64_t b = 0; b < blocks; ++b) inner.rows->axpby(dweight, partial + b * x.cols, x.cols, 1, 1);
}

void rope(const Inner& inner, Mat x, int64_t head_dim, int64_t rotary_dim, const int32_t* positions,
          const float* cos_sin, bool inverse) {
  CHECK(rotary_dim > 0 && rotary_dim % 2 == 0 && rotary_dim <= head_dim && x.cols % head_dim == 0,
        "{} of heads of {} in rows of {}", rotary_dim, head_dim, x.cols);
  parallel_blocks(x.rows, row_grain(x.cols), [&](int64_t begin, int64_t end) {
    inner.rows->rope(view(x, begin), end - begin, x.cols, head_dim, rotary_dim, positions + begin, cos_sin, inverse);
  });
}

void swiglu(const Inner& inner, Mat y, Mat gate_up) {
  CHECK(gate_up.rows == y.rows && gate_up.cols == 2 * y.cols && gate_up.dtype == y.dtype,
        "swiglu: [{}, {}] of [{}, {}]", y.rows, y.cols, gate_up.rows, gate_up.cols);
  parallel_blocks(y.rows, row_grain(y.cols), [&](int64_t begin, int64_t end) {
    inner.rows->swiglu(view(y, begin), view(gate_up, begin), end - begin, y.cols);
  });
}

void swiglu_backward(const Inner& inner, Mat dgate_up, Mat dy, Mat gate_up) {
  check_same("swiglu_backward", dgate_up, gate_up);
  CHECK(
      gate_up.rows == dy.rows && gate_up.cols == 2 * dy.cols && gate_up.dtype == dy.dtype && dgate_up.dtype == dy.dtype,
      "swiglu_backward: [{}, {}] of [{}, {}]", dy.rows, dy.cols, gate_up.rows, gate_up.cols);
  parallel_blocks(dy.rows, row_grain(dy.cols), [&](int64_t begin, int64_t end) {
    inner.rows->swiglu_backward(view(dgate_up, begin), view(dy, begin), view(gate_up, begin), end - begin, dy.cols);
  });
}

void dropout_add(const Inner& inner, Mat y, Mat x, float p, uint64_t seed) {
  check_same("dropout_add", y, x);
  CHECK(y.dtype == DType::kF32 && p >= 0 && p < 1, "dropout_add adds to float32, with p = {} in [0, 1)", p);
  parallel_blocks(x.rows, row_grain(x.cols), [&](int64_t begin, int64_t end) {
    inner.rows->dropout_add(view(y, begin), view(x, begin), end - begin, x.cols, p, seed,
                            static_cast<uint64_t>(begin * x.cols));
  });
}

void dropout_backward(const Inner& inner, Mat dx, Mat dy, float p, uint64_t seed) {
  check_same("dropout_backward", dx, dy);
  CHECK(p >= 0 && p < 1, "dropout with p = {}", p);
  parallel_blocks(dy.rows, row_grain(dy.cols), [&](int64_t begin, int64_t end) {
    inner.rows->dropout_backward(view(dx, begin), view(dy, begin), end - begin, dy.cols, p, seed,
                                 static_cast<uint64_t>(begin * dy.cols));
  });
}

// --- attention -----------------------------------------------------------------------------------

namespace {

struct Piece {
  int64_t segment, kv_head, kv_heads, begin, end;  // queries [begin, end) of the segment
};

// A part per key-value head of a segment; a long segment's queries are cut where there would be too few parts. A single
// query's keys are read once for all heads, unless there are too few parts.
const std::vector<Piece>& cut_attention(std::span<const AttentionSegment> segments, int64_t kv_heads,
                                        int64_t max_queries, bool few) {
  static thread_local std::vector<Piece> pieces;
  pieces.clear();
  for (size_t s = 0; s < segments.size(); ++s) {
    const int64_t queries = segments[s].q_len, heads = queries == 1 && !few ? kv_heads : 1;
    for (int64_t g = 0; g < kv_heads; g += heads) {
      for (int64_t begin = 0; begin < queries; begin += max_queries) {
        pieces.push_back({static_cast<int64_t>(s), g, heads, begin, std::min(begin + max_queries, queries)});
      }
    }
  }
  return pieces;
}

}  // namespace

void attention(const Inner& inner, Mat out, Mat q, std::span<const AttentionSegment> segments,
               const AttentionShape& shape, float* lse) {
  const int64_t d = shape.head_dim, group = shape.heads / shape.kv_heads;
  CHECK(shape.heads % shape.kv_heads == 0 && q.cols == shape.heads * d && out.cols == q.cols && out.dtype == q.dtype,
        "attention: {} heads over {} of {} in [{}, {}]", shape.heads, shape.kv_heads, d, q.rows, q.cols);
  for (const AttentionSegment& s : segments) {
    CHECK(s.kv_len >= s.q_len + s.prefix_len, "attention: {} keys for {} queries after {} shared ones", s.kv_len,
          s.q_len, s.prefix_len);
    CHECK(s.pages == nullptr ||
              (s.page_len >= 32 && std::has_single_bit(static_cast<uint64_t>(s.page_len)) && s.prefix_len == 0),
          "attention: pages of {} rows, after {} shared keys", s.page_len, s.prefix_len);
  }
  const int64_t sequences = static_cast<int64_t>(segments.size()), wanted = 2 * thread_count();
  const std::vector<Piece>& pieces =
      cut_attention(segments, shape.kv_heads, sequences * shape.kv_heads < wanted ? 64 : 1 << 20, sequences < wanted);
  const int64_t count = static_cast<int64_t>(pieces.size());
  const bool bf16 = q.dtype == DType::kBF16;
  parallel_blocks(count, std::clamp<int64_t>(count / (8 * thread_count()), 1, 16), [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const Piece& p = pieces[i];
      const AttentionSegment& s = segments[p.segment];
      const int64_t row = s.q_begin + p.begin, col = p.kv_head * group * d, offset = p.kv_head * d * bytes_of(q.dtype);
      const auto rows_at = [&](const void* rows) {
        return View{const_cast<char*>(static_cast<const char*>(rows)) + (rows ? offset : 0), s.kv_stride, bf16};
      };
      inner.attention->forward({.out = view(out, row, col),
                                .q = view(q, row, col),
                                .k = rows_at(s.k),
                                .v = rows_at(s.v),
                                .prefix_k = rows_at(s.prefix_k),
                                .prefix_v = rows_at(s.prefix_v),
                                .prefix = s.prefix_len,
                                .pages = s.pages,
                                .page_shift = std::countr_zero(static_cast<uint64_t>(s.page_len)),
                                .page_stride = s.page_stride,
                                .rows = p.end - p.begin,
                                .first = s.kv_len - s.q_len + p.begin,
                                .kv_heads = p.kv_heads,
                                .group = group,
                                .head_dim = d,
                                .scale = shape.scale,
                                .window = shape.window,
                                .softcap = shape.softcap,
                                .lse = lse ? lse + row * shape.heads + p.kv_head * group : nullptr,
                                .lse_stride = shape.heads});
    }
  });
}

namespace {

// A segment, and those after it that go on from it: segments [begin, end).
struct Family {
  size_t begin, end;
};

const std::vector<Family>& families_of(std::span<const AttentionSegment> segments) {
  static thread_local std::vector<Family> families;
  families.clear();
  for (size_t s = 0; s < segments.size(); ++s) {
    const AttentionSegment& one = segments[s];
    CHECK(one.q_len + one.prefix_len == one.kv_len, "attention_backward: a segment of {} queries and {} keys",
          one.q_len, one.kv_len);
    if (one.prefix_len == 0) {
      families.push_back({s, s + 1});
      continue;
    }
    const bool follows = !families.empty() && segments[families.back().begin].q_begin == one.prefix_begin &&
                         segments[families.back().begin].q_len == one.prefix_len;
    CHECK(follows, "attention_backward: a segment that does not follow the one whose {} keys it shares",
          one.prefix_len);
    families.back().end = s + 1;
  }
  return families;
}

}  // namespace

void attention_backward(const Inner& inner, Mat dq, Mat dk, Mat dv, Mat dout, Mat out, Mat q, Mat k, Mat v,
                        const float* lse, std::span<const AttentionSegment> segments, const AttentionShape& shape) {
  const int64_t d = shape.head_dim, group = shape.heads / shape.kv_heads;
  CHECK(shape.heads % shape.kv_heads == 0 && q.cols == shape.heads * d && k.cols == shape.kv_heads * d,
        "attention_backward: {} heads over {} of {}", shape.heads, shape.kv_heads, d);
  const std::vector<Family>& families = families_of(segments);
  parallel_for(static_cast<int64_t>(families.size()) * shape.kv_heads, [&](int64_t part) {
    const Family& family = families[part / shape.kv_heads];
    const int64_t head = part % shape.kv_heads, col = head * group * d, kv_col = head * d;
    const int64_t shared = segments[family.begin].q_len * padded_head(d);
    float* sums = nullptr;
    if (family.end - family.begin > 1) {
      sums = static_cast<float*>(scratch(kDriverPartials, sizeof(float) * static_cast<size_t>(2 * shared)));
      std::fill_n(sums, 2 * shared, 0.0f);
    }
    for (size_t i = family.end; i-- > family.begin;) {  // the shared one last
      const AttentionSegment& s = segments[i];
      if (s.q_len == 0) continue;
      inner.attention->backward({.dq = view(dq, s.q_begin, col),
                                 .dk = view(dk, s.q_begin, kv_col),
                                 .dv = view(dv, s.q_begin, kv_col),
                                 .dout = view(dout, s.q_begin, col),
                                 .out = view(out, s.q_begin, col),
                                 .q = view(q, s.q_begin, col),
                                 .k = view(k, s.q_begin, kv_col),
                                 .v = view(v, s.q_begin, kv_col),
                                 .prefix_k = view(k, s.prefix_begin, kv_col),
                                 .prefix_v = view(v, s.prefix_begin, kv_col),
                                 .prefix = s.prefix_len,
                                 .rows = s.q_len,
                                 .group = group,
                                 .head_dim = d,
                                 .shared_dk = sums,
                                 .shared_dv = sums ? sums + shared : nullptr,
                                 .scale = shape.scale,
                                 .window = shape.window,
                                 .softcap = shape.softcap,
                                 .lse = lse + s.q_begin * shape.heads + head * group,
                                 .lse_stride = shape.heads});
    }
  });
}

// --- flat vectors --------------------------------------------------------------------------------

void adamw(const Inner& inner, float* w, const float* g, float* m, float* v, int64_t n, const AdamWStep& step) {
  const AdamWScalars s = {
      step.lr,        step.beta1, step.beta2, step.eps, step.weight_decay, step.bias_correction1, step.bias_correction2,
      step.grad_scale};
  parallel_blocks(n, kElementsPerPart,
                  [&](int64_t b, int64_t e) { inner.rows->adamw(w + b, g + b, m + b, v + b, e - b, s); });
}

double sum_of_squares(const Inner& inner, const float* x, int64_t n) {
  const int64_t blocks = (n + kElementsPerPart - 1) / kElementsPerPart;
  double* partial = static_cast<double*>(scratch(kDriverPartials, sizeof(double) * static_cast<size_t>(blocks)));
  parallel_blocks(n, kElementsPerPart, [&](int64_t begin, int64_t end) {
    partial[begin / kElementsPerPart] = inner.rows->sum_of_squares(x + begin, end - begin);
  });
  double sum = 0;
  for (int64_t b = 0; b < blocks; ++b) sum += partial[b];
  return sum;
}

void axpby(const Inner& inner, float* y, const float* x, int64_t n, float a, float b) {
  parallel_blocks(n, kElementsPerPart,
                  [&](int64_t begin, int64_t end) { inner.rows->axpby(y + begin, x + begin, end - begin, a, b); });
}

void convert(const Inner& inner, Mat y, Mat x) {
  check_same("convert", y, x);
  parallel_blocks(x.rows, row_grain(x.cols), [&](int64_t begin, int64_t end) {
    inner.rows->convert(view(y, begin), view(x, begin), end - begin, x.cols);
  });
}

void round_at_random(const Inner& inner, BF16* y, const float* x, int64_t n, uint64_t seed, uint64_t first) {
  parallel_blocks(n, kElementsPerPart, [&](int64_t begin, int64_t end) {
    inner.rows->round_at_random(&y[begin].bits, x + begin, end - begin, seed, first + static_cast<uint64_t>(begin));
  });
}

}  // namespace loquat::cpu
