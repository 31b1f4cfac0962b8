// Drivers of attention: how segments are cut into tasks.
#include <algorithm>
#include <bit>
#include <vector>

#include "base/ints.h"
#include "base/threads.h"
#include "kernels/cpu/drivers.h"

namespace loquat::cpu {
namespace {

constexpr int64_t kLongQueries = 64;  // of one part, where there are few
constexpr int64_t kScoreGrain = 16;   // keys
constexpr int64_t kShortCache = 64;   // keys of a single query that are not worth cutting

// Of the segments of one call.
struct Call {
  Mat out, q;
  const AttentionShape& shape;
  float* lse;
};

// The task without the whole grains (or pages) of keys that no query's window reaches.
AttentionTask without_past(AttentionTask t) {
  if (t.window == 0 || t.first < t.window) return t;
  const int64_t unseen = t.first - t.window + 1;
  const int64_t drop = unseen - unseen % (t.pages ? int64_t{1} << t.page_shift : kKeyGrain);
  t.first -= drop;
  if (t.pages) {
    t.pages += drop >> t.page_shift;
    return t;
  }
  const auto skip = [](View& x, int64_t rows) {
    x.data = static_cast<char*>(x.data) + rows * x.stride * (x.bf16 ? 2 : 4);
  };
  const int64_t shared = std::min(drop, t.prefix);
  if (shared > 0) {
    skip(t.prefix_k, shared);
    skip(t.prefix_v, shared);
    t.prefix -= shared;
  }
  skip(t.k, drop - shared);
  skip(t.v, drop - shared);
  return t;
}

// Queries [begin, end) of a segment, by `kv_heads` key-value heads from `kv_head` on.
AttentionTask task_of(const Call& call, const AttentionSegment& s, int64_t kv_head, int64_t kv_heads, int64_t begin,
                      int64_t end) {
  const AttentionShape& shape = call.shape;
  const DType type = call.q.dtype;
  const int64_t d = shape.head_dim, group = shape.heads / shape.kv_heads, row = s.q_begin + begin;
  const auto rows_at = [&](const void* rows) {
    const int64_t offset = rows ? kv_head * d * bytes_of(type) : 0;
    return View{const_cast<char*>(static_cast<const char*>(rows)) + offset, s.kv_stride, type == DType::kBF16};
  };
  return without_past({.out = view(call.out, row, kv_head * group * d),
                       .q = view(call.q, row, kv_head * group * d),
                       .k = rows_at(s.k),
                       .v = rows_at(s.v),
                       .prefix_k = rows_at(s.prefix_k),
                       .prefix_v = rows_at(s.prefix_v),
                       .prefix = s.prefix_len,
                       .pages = s.pages,
                       .page_shift = s.pages ? std::countr_zero(static_cast<uint64_t>(s.page_len)) : 0,
                       .page_stride = s.page_stride,
                       .rows = end - begin,
                       .first = s.kv_len - s.q_len + begin,
                       .kv_heads = kv_heads,
                       .group = group,
                       .head_dim = d,
                       .scale = shape.scale,
                       .window = shape.window,
                       .softcap = shape.softcap,
                       .lse = call.lse ? call.lse + row * shape.heads + kv_head * group : nullptr,
                       .lse_stride = shape.heads});
}

// f(begin, end) over [0, n) in as many parts as there are threads, cut at multiples of `grain`.
template <typename F>
void for_shares(int64_t n, int64_t grain, F&& f) {
  parallel_blocks(n, ceil_div(ceil_div(n, grain), thread_count()) * grain, f);
}

// One query against its cache, by all threads.
void decode(const Decode& steps, const AttentionTask& t) {
  const int64_t heads = t.kv_heads * t.group, keys = t.first + 1, stride = ceil_div(keys, kKeyGrain) * kKeyGrain;
  const int64_t scores = heads * stride, slices = t.kv_heads * ceil_div(t.head_dim, steps.slice);
  float* memory =
      static_cast<float*>(scratch(kDriverPartials, sizeof(float) * static_cast<size_t>(2 * scores + heads)));
  const DecodeTask task = {t, memory, memory + scores, memory + 2 * scores, stride};
  for_shares(keys, kScoreGrain, [&](int64_t begin, int64_t end) { steps.scores(task, begin, end); });
  for_shares(heads, 1, [&](int64_t begin, int64_t end) { steps.softmax(task, begin, end); });
  for_shares(slices, 1, [&](int64_t begin, int64_t end) { steps.values(task, begin, end); });
}

bool is_decoding(const AttentionSegment& s) {
  return s.q_len == 1 && s.prefix_len == 0;
}

struct Piece {
  int64_t segment, kv_head, kv_heads, begin, end;  // queries [begin, end) of the segment
};

// A part per key-value head of a segment; a long segment's queries are cut where there would be too few parts. A single
// query's keys are read once for all heads, unless there are too few parts.
const std::vector<Piece>& cut_attention(std::span<const AttentionSegment> segments, int64_t kv_heads, bool few) {
  static thread_local std::vector<Piece> pieces;
  pieces.clear();
  const int64_t wanted = 2 * thread_count(), sequences = static_cast<int64_t>(segments.size());
  const int64_t most = sequences * kv_heads < wanted ? kLongQueries : 1 << 20;
  for (size_t s = 0; s < segments.size(); ++s) {
    const int64_t queries = segments[s].q_len, heads = queries == 1 && !few ? kv_heads : 1;
    for (int64_t g = 0; g < kv_heads; g += heads) {
      for (int64_t begin = 0; begin < queries; begin += most)
        pieces.push_back({static_cast<int64_t>(s), g, heads, begin, std::min(begin + most, queries)});
    }
  }
  return pieces;
}

void check_segment(const AttentionSegment& s) {
  CHECK(s.kv_len >= s.q_len + s.prefix_len, "attention: {} keys for {} queries after {} shared ones", s.kv_len, s.q_len,
        s.prefix_len);
  CHECK(s.pages == nullptr ||
            (s.page_len >= kKeyGrain && std::has_single_bit(static_cast<uint64_t>(s.page_len)) && s.prefix_len == 0),
        "attention: pages of {} rows, after {} shared keys", s.page_len, s.prefix_len);
}

}  // namespace

void attention(const Inner& inner, Mat out, Mat q, std::span<const AttentionSegment> segments,
               const AttentionShape& shape, float* lse) {
  CHECK(shape.heads % shape.kv_heads == 0 && q.cols == shape.heads * shape.head_dim && out.cols == q.cols &&
            out.dtype == q.dtype,
        "attention: {} heads over {} of {} in [{}, {}]", shape.heads, shape.kv_heads, shape.head_dim, q.rows, q.cols);
  for (const AttentionSegment& s : segments) check_segment(s);
  const Call call = {out, q, shape, lse};
  const Decode* steps = inner.attention->decode;
  const int64_t sequences = static_cast<int64_t>(segments.size());
  // With fewer heads than threads each cache is cut. Otherwise not: a head's keys and values stay with one thread,
  // which two threads do in less time (docs/performance.md).
  if (steps != nullptr && sequences * shape.kv_heads < thread_count() &&
      std::all_of(segments.begin(), segments.end(), is_decoding)) {
    for (const AttentionSegment& s : segments) {
      const AttentionTask t = task_of(call, s, 0, shape.kv_heads, 0, 1);
      t.first < kShortCache ? inner.attention->forward(t) : decode(*steps, t);
    }
    return;
  }
  const std::vector<Piece>& pieces = cut_attention(segments, shape.kv_heads, sequences < 2 * thread_count());
  const int64_t count = static_cast<int64_t>(pieces.size());
  parallel_blocks(count, std::clamp<int64_t>(count / (8 * thread_count()), 1, 16), [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const Piece& p = pieces[i];
      inner.attention->forward(task_of(call, segments[p.segment], p.kv_head, p.kv_heads, p.begin, p.end));
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

}  // namespace loquat::cpu
