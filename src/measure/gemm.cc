// Matrix products at the shapes of a model: forward, gradient of the input, gradient of the weight; and few rows, as in
// decoding.
#include <fmt/core.h>

#include "measure/bench.h"
#include "measure/noise.h"

namespace loquat::measure {
namespace {

constexpr int64_t kRows = 2048;
constexpr int64_t kDecodingRows = 32;

class Products {
 public:
  Products(Recorder& recorder, std::string name, int64_t n, int64_t k)
      : recorder_(recorder),
        kernels_(recorder.kernels()),
        compute_(recorder.options().compute),
        name_(std::move(name)),
        n_(n),
        k_(k),
        weight_(random_weight(kernels_, n, k, compute_, true, recorder.options().seed)),
        gradient_(zeros(kernels_, n * k)) {}

  void backward(int64_t rows) {
    const Tensor x = random_tensor(kernels_, rows, k_, compute_, 2), dx = empty_tensor(kernels_, rows, k_, compute_);
    const Tensor y = random_tensor(kernels_, rows, n_, compute_, 3);
    measure(name_ + ", dx", rows, 1, weight_bytes(),
            [&] { kernels_.linear_backward_input(dx.mat, y.mat, weight_.packed, false); });
    measure(name_ + ", dW", rows, 1, 2 * gradient_bytes(),
            [&] { kernels_.linear_backward_weight(gradient_.floats(), y.mat, x.mat); });
  }
  void forward(int64_t rows) {
    const Tensor x = random_tensor(kernels_, rows, k_, compute_, 2), y = empty_tensor(kernels_, rows, n_, compute_);
    measure(name_, rows, 1, weight_bytes(), [&] { kernels_.linear(y.mat, x.mat, weight_.packed, false); });
  }
  // Log-probabilities and their gradient: logits are never kept, so their bytes do not count.
  void vocabulary(int64_t rows) {
    const Tensor x = random_tensor(kernels_, rows, k_, compute_, 2), dx = empty_tensor(kernels_, rows, k_, compute_);
    Rng rng(recorder_.options().seed, "measure.gemm");
    const auto targets = random_tokens(rng, rows, n_);
    std::vector<float> logprob(targets.size()), lse(targets.size());
    const std::vector<float> dlogprob(targets.size(), -1.0f / static_cast<float>(rows));
    measure(name_ + " head", rows, 1, weight_bytes() - y_bytes(rows),
            [&] { kernels_.lm_head(x.mat, weight_.packed, targets.data(), 1, logprob.data(), lse.data(), nullptr); });
    measure(name_ + " head, backward", rows, 2, 2 * weight_bytes() + 2 * gradient_bytes() - y_bytes(rows), [&] {
      kernels_.lm_head_backward(dx.mat, gradient_.floats(), x.mat, weight_.packed, targets.data(), 1, lse.data(),
                                dlogprob.data(), nullptr, nullptr);
    });
  }

 private:
  double weight_bytes() const { return static_cast<double>(n_ * k_ * bytes_of(compute_)); }
  double gradient_bytes() const { return static_cast<double>(n_ * k_ * 4); }
  double y_bytes(int64_t rows) const { return static_cast<double>(rows * n_ * bytes_of(compute_)); }

  // `products` of 2 rows n k operations; `bytes` beside x and y.
  void measure(std::string name, int64_t rows, int products, double bytes, const std::function<void()>& call) {
    Line line;
    line.name = std::move(name);
    line.shape = fmt::format("{} x {} x {}", rows, n_, k_);
    line.work.operations = 2.0 * products * static_cast<double>(rows * n_ * k_);
    line.work.bytes = bytes + y_bytes(rows) + static_cast<double>(rows * k_ * bytes_of(compute_));
    line.work.working_set = line.work.bytes;
    line.tokens = static_cast<double>(rows);
    line.timing = recorder_.watch().repeat(call);
    line.figure = line.work.operations / line.timing.seconds / 1e9;
    line.unit = "GFLOP/s";
    recorder_.add(std::move(line));
  }

  Recorder& recorder_;
  const Kernels& kernels_;
  DType compute_;
  std::string name_;
  int64_t n_, k_;
  Weight weight_;
  Buffer gradient_;
};

}  // namespace

Status bench_gemm(Recorder& recorder) {
  const ModelConfig& c = recorder.options().config;
  const int64_t rows = recorder.options().batch > 0 ? recorder.options().batch : kRows;
  const struct {
    const char* name;
    int64_t n, k;
  } projections[] = {{"q, k, v", c.qkv_dim(), c.hidden_size},
                     {"attention output", c.hidden_size, c.num_heads * c.head_dim},
                     {"gate, up", 2 * c.intermediate_size, c.hidden_size},
                     {"down", c.hidden_size, c.intermediate_size}};
  for (const auto& projection : projections) {
    Products products(recorder, projection.name, projection.n, projection.k);
    products.forward(rows);
    products.backward(rows);
    products.forward(kDecodingRows);
  }
  Products vocabulary(recorder, "vocabulary", c.vocab_size, c.hidden_size);
  vocabulary.vocabulary(rows);
  vocabulary.forward(kDecodingRows);
  return {};
}

}  // namespace loquat::measure
