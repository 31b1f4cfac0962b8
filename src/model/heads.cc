// Language head and score head.
#include "model/heads.h"

#include "base/check.h"

namespace loquat {
namespace {

// The thread's own, so that a step allocates nothing.
std::vector<RowCopy>& row_copies() {
  thread_local std::vector<RowCopy> copies;
  copies.clear();
  return copies;
}

void check_rows(Mat hidden, std::span<const int64_t> rows, size_t values) {
  CHECK(rows.size() == values, "{} rows but {} values", rows.size(), values);
  for (int64_t row : rows) CHECK(row >= 0 && row < hidden.rows, "row {} of {}", row, hidden.rows);
}

void check_targets(std::span<const int32_t> targets, int64_t vocab) {
  for (int32_t t : targets) CHECK(t >= 0 && t < vocab, "target token {} of a vocabulary of {}", t, vocab);
}

}  // namespace

Mat gather_rows(const Kernels& kernels, Mat hidden, std::span<const int64_t> rows, Arena& arena) {
  const int64_t n = static_cast<int64_t>(rows.size());
  bool all = n == hidden.rows;
  for (int64_t i = 0; all && i < n; ++i) all = rows[i] == i;
  if (all) return hidden;
  const Mat out = arena.take(n, hidden.cols, hidden.dtype);
  auto& copies = row_copies();
  for (int64_t i = 0; i < n; ++i) copies.push_back({out.row(i), hidden.row(rows[i])});
  kernels.copy_rows(copies, hidden.cols * bytes_of(hidden.dtype));
  return out;
}

Mat scatter_rows(const Kernels& kernels, Mat from, std::span<const int64_t> rows, int64_t total_rows, Arena& arena) {
  const int64_t n = static_cast<int64_t>(rows.size());
  for (int64_t i = 1; i < n; ++i) {
    CHECK(rows[i - 1] < rows[i], "rows of a backward must be strictly increasing: {} then {}", rows[i - 1], rows[i]);
  }
  if (n == total_rows) return from;
  const Mat out = arena.take(total_rows, from.cols, from.dtype);
  const int64_t bytes = from.cols * bytes_of(from.dtype);
  if (total_rows > 0) kernels.clear(out.data, total_rows * bytes);
  auto& copies = row_copies();
  for (int64_t i = 0; i < n; ++i) copies.push_back({out.row(rows[i]), from.row(i)});
  kernels.copy_rows(copies, bytes);
  return out;
}

Model::LogProbs LanguageHead::log_probs(const LayerContext& context, Mat hidden, std::span<const int64_t> rows,
                                        std::span<const int32_t> targets, float temperature, bool with_entropy,
                                        Arena& arena) const {
  check_rows(hidden, rows, targets.size());
  check_targets(targets, linear.packed.n);
  CHECK(temperature > 0, "temperature {}", temperature);
  Model::LogProbs out;
  out.logprob.resize(rows.size());
  out.lse.resize(rows.size());
  if (with_entropy) out.entropy.resize(rows.size());
  arena.reset();
  context.kernels->lm_head(gather_rows(*context.kernels, hidden, rows, arena), linear.packed, targets.data(),
                           1.0f / temperature, out.logprob.data(), out.lse.data(),
                           with_entropy ? out.entropy.data() : nullptr);
  return out;
}

Mat LanguageHead::log_probs_backward(const LayerContext& context, Mat hidden, std::span<const int64_t> rows,
                                     std::span<const int32_t> targets, float temperature,
                                     const Model::LogProbs& forward, std::span<const float> dlogprob,
                                     std::span<const float> dentropy, Arena& arena) const {
  check_rows(hidden, rows, targets.size());
  CHECK(dlogprob.size() == rows.size() && forward.lse.size() == rows.size(), "{} rows, {} dlogprob, {} lse",
        rows.size(), dlogprob.size(), forward.lse.size());
  CHECK(dentropy.empty() || (dentropy.size() == rows.size() && forward.entropy.size() == rows.size()),
        "{} rows, {} dentropy, {} entropy: the forward must have been asked for the entropy", rows.size(),
        dentropy.size(), forward.entropy.size());
  arena.reset();
  const Mat x = gather_rows(*context.kernels, hidden, rows, arena);
  const Mat dx = arena.take(x.rows, x.cols, x.dtype);
  const bool entropy = !dentropy.empty();
  context.kernels->lm_head_backward(dx, linear.gradient, x, linear.packed, targets.data(), 1.0f / temperature,
                                    forward.lse.data(), dlogprob.data(), entropy ? forward.entropy.data() : nullptr,
                                    entropy ? dentropy.data() : nullptr);
  return scatter_rows(*context.kernels, dx, rows, hidden.rows, arena);
}

Model::Likelihood LanguageHead::likelihood_backward(const LayerContext& context, Mat hidden,
                                                    std::span<const int64_t> rows, std::span<const int32_t> targets,
                                                    std::span<const float> dlogprob, Arena& arena) const {
  check_rows(hidden, rows, targets.size());
  check_targets(targets, linear.packed.n);
  CHECK(dlogprob.size() == rows.size(), "{} rows, {} dlogprob", rows.size(), dlogprob.size());
  Model::Likelihood out;
  out.logprobs.logprob.resize(rows.size());
  out.logprobs.lse.resize(rows.size());
  arena.reset();
  const Mat x = gather_rows(*context.kernels, hidden, rows, arena);
  const Mat dx = arena.take(x.rows, x.cols, x.dtype);
  context.kernels->lm_head_loss(dx, linear.gradient, x, linear.packed, targets.data(), dlogprob.data(),
                                out.logprobs.logprob.data(), out.logprobs.lse.data());
  out.dhidden = scatter_rows(*context.kernels, dx, rows, hidden.rows, arena);
  return out;
}

void LanguageHead::logits(const LayerContext& context, Mat hidden, std::span<const int64_t> rows, float* out,
                          const float* inv_temperature, float* lse, Arena& arena) const {
  const Kernels& kernels = *context.kernels;
  check_rows(hidden, rows, rows.size());
  arena.reset();
  const Mat x = gather_rows(*context.kernels, hidden, rows, arena);
  const bool here = kernels.host_memory;
  const Mat logits = here ? mat(out, x.rows, linear.packed.n) : arena.take(x.rows, linear.packed.n, DType::kF32);
  kernels.linear(logits, x, linear.packed, false);
  if (linear.packed.softcap > 0) kernels.soft_cap(logits, linear.packed.softcap);
  if (lse != nullptr) kernels.log_sum_exp(logits, inv_temperature, lse);
  if (!here && x.rows > 0) kernels.download(out, logits.data, x.rows * linear.packed.n * 4);
}

std::vector<float> ScoreHead::scores(const LayerContext& context, Mat hidden, std::span<const int64_t> rows,
                                     Arena& arena) const {
  check_rows(hidden, rows, rows.size());
  arena.reset();
  const Mat x = gather_rows(*context.kernels, hidden, rows, arena);
  const Mat wide = arena.take(x.rows, x.cols, DType::kF32);
  context.kernels->convert(wide, x);
  float* scores = arena.take_floats(x.rows);
  context.kernels->matmul(scores, wide.f32(), weight, x.rows, 1, x.cols, false, true);
  return to_host(*context.kernels, scores, x.rows);
}

Mat ScoreHead::scores_backward(const LayerContext& context, Mat hidden, std::span<const int64_t> rows,
                               std::span<const float> dscore, Arena& arena) const {
  check_rows(hidden, rows, dscore.size());
  arena.reset();
  const Kernels& kernels = *context.kernels;
  const Mat x = gather_rows(*context.kernels, hidden, rows, arena);
  const Mat wide = arena.take(x.rows, x.cols, DType::kF32);
  kernels.convert(wide, x);
  float* dweight = arena.take_floats(x.cols);
  float* dscores = arena.take_floats(x.rows);
  if (x.rows > 0) kernels.upload(dscores, dscore.data(), x.rows * 4);
  kernels.matmul(dweight, dscores, wide.f32(), 1, x.cols, x.rows, true, false);
  kernels.axpby(gradient, dweight, x.cols, 1, 1);
  kernels.matmul(wide.f32(), dscores, weight, x.rows, x.cols, 1, false, false);
  const Mat dx = arena.take(x.rows, x.cols, x.dtype);
  kernels.convert(dx, wide);
  return scatter_rows(*context.kernels, dx, rows, hidden.rows, arena);
}

}  // namespace loquat
