// The Transformer: owns the flat buffers and the packed weights, lays the layers over them, and runs the passes.
#include "model/model.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/threads.h"
#include "kernels/quantize.h"
#include "model/layer.h"
#include "model/memory.h"
#include "model/model_parts.h"
#include "model/params.h"
#include "model/rope.h"
#include "model/serving_weights.h"

namespace loquat {
namespace {

constexpr int64_t kGroupRows = 1024;       // of a forward that keeps nothing, on a processor: they stay in its caches
constexpr int64_t kCardGroupRows = 65536;  // on a graphics card

}  // namespace

struct Model::Impl : ModelParts {
  ModelConfig config;
  const Kernels& kernels;
  DType compute;
  LayerContext context;
  Buffer values, gradients, packed, cos_sin, local_cos_sin, effective;
  std::vector<Param> params;
  bool serves_only = false;
  float embedding_scale = 1;
  std::shared_ptr<const Model> base;  // its weights are this one's; null: none
  std::unique_ptr<Adapters> adapters;
  LoraPass pass;
  Buffer squares;  // of a base
  std::string folder;

  // What a forward with keep_for_backward has left for the backward. A forward that keeps nothing works in `scratch`
  // and does not touch it.
  struct Kept {
    int64_t rows = -1;
    ForwardOptions options;
    std::vector<TransformerLayer::Saved> layers;
    Mat final_input;
    float* rstd = nullptr;
  } kept;
  Arena kept_memory, scratch, work_memory, backward_memory, head_memory, head_backward_memory;
  std::vector<int32_t> cached_positions;
  std::vector<int64_t> group_starts, group_prefix;

  Impl(const ModelConfig& c, const Kernels& k, DType d)
      : config(c),
        kernels(k),
        compute(d),
        pass(k),
        kept_memory(k),
        scratch(k),
        work_memory(k),
        backward_memory(k),
        head_memory(k),
        head_backward_memory(k) {}

  void make_context() {
    const Status valid = config.validate();
    CHECK(valid.ok(), "{}", valid.error());
    const Status supported = check_kernels(config, kernels);
    CHECK(supported.ok(), "{}", supported.error());
    bool used[3] = {};
    for (int64_t i = 0; i < config.num_layers; ++i) used[static_cast<int>(config.layer(i).rope)] = true;
    const auto table_of = [&](LayerRope kind) {
      return used[static_cast<int>(kind)] ? floats_of(kernels, rope_table(config, kind)) : Buffer();
    };
    cos_sin = table_of(LayerRope::kGlobal);
    local_cos_sin = table_of(LayerRope::kLocal);
    context = {&kernels, &config, compute, cos_sin.floats(), local_cos_sin.floats(), &pass};
    if (config.features.scaled_embedding) {
      embedding_scale = std::sqrt(static_cast<float>(config.hidden_size));
      if (compute == DType::kBF16) embedding_scale = to_float(to_bf16(embedding_scale));
    }
  }
  std::vector<ParamSpec> specs() const;
  void make_params(bool with_gradients);
  void lay_out(bool with_gradients);
  void lay_over(const LoraConfig& lora, bool with_gradients);
  void make_squares();
  void set_pass(const Batch& batch, int64_t first, int64_t end, const ForwardOptions& options);
  void lay_out_serving(const ServingTensors& tensors);
  void place_linears();
  void attach_layers() {
    if (config.features.norm_adds_one) effective = Buffer(kernels, 4 * norm_values(params));
    static_cast<ModelParts&>(*this) = attach_parts(config, compute, params, effective.floats());
  }
  void refresh_norms() const;
  template <typename F>
  void for_each_linear(F&& f) {
    for (auto& layer : layers) layer.for_each_linear(f);
    if (language.linear.packed.n > 0) f(language.linear);
  }

  void check_trainable() const { CHECK(!serves_only, "the model only serves: it has no master weights"); }
  void init_param(const ParamSpec& spec, const Param& param, Rng rng) const;
  void check_batch(const Batch& batch, std::span<const int32_t> positions) const;
  Mat embed(std::span<const int32_t> tokens, std::span<const int32_t> positions, Arena& arena) const;
  Mat run_layers(const Batch& batch, const Sequences& all);
  Mat run_layers_keeping(const Batch& batch, const Sequences& sequences, const ForwardOptions& options);
  Dropout dropout(const ForwardOptions& options) const { return {options.dropout, options.dropout_seed}; }
};

// Of the parameters that the model itself has.
std::vector<ParamSpec> Model::Impl::specs() const {
  if (base == nullptr) return param_specs(config);
  std::vector<ParamSpec> specs = adapters != nullptr ? adapters->specs() : std::vector<ParamSpec>();
  if (config.head == HeadKind::kScore)
    specs.push_back({std::string(kPeftPrefix) + "score.weight", {1, config.hidden_size}, false, ParamInit::kScore});
  return specs;
}

void Model::Impl::make_params(bool with_gradients) {
  const auto specs = this->specs();
  int64_t count = 0;
  for (const ParamSpec& spec : specs) count += spec.size();
  values = Buffer(kernels, count * 4);
  if (with_gradients) {
    gradients = zeros(kernels, count);
  }
  int64_t offset = 0;
  for (const ParamSpec& spec : specs) {
    params.push_back({spec.name, spec.shape, values.floats() + offset,
                      with_gradients ? gradients.floats() + offset : nullptr, spec.size(), spec.is_matrix});
    offset += spec.size();
  }
}

void Model::Impl::lay_out(bool with_gradients) {
  make_params(with_gradients);
  CHECK(values.bytes() == config.param_count() * 4, "the parameters have {} bytes, the config says {} values",
        values.bytes(), config.param_count());
  attach_layers();
  place_linears();
}

// The layers are copies of the base's, which are views.
void Model::Impl::lay_over(const LoraConfig& lora, bool with_gradients) {
  const Impl& from = *base->impl_;
  context = {&kernels, &config, compute, from.cos_sin.floats(), from.local_cos_sin.floats(), &pass};
  embedding_scale = from.embedding_scale;
  static_cast<ModelParts&>(*this) = from;
  effective_norms.clear();  // the base's to make
  score = {};
  if (lora.rank > 0) {
    adapters = std::make_unique<Adapters>(kernels, lora, compute, with_gradients);
    size_t next = 0;
    for (auto& layer : layers) {
      layer.for_each_linear([&](Linear& linear) {
        CHECK(!with_gradients || linear.frozen_backward, "the base was not made for adapters that are trained");
        const Parts& parts = from.linear_parts[next++];
        adapters->add(linear, std::span(from.params).subspan(parts.first, parts.count));
      });
    }
  }
  make_params(with_gradients);
  if (adapters != nullptr) adapters->attach(params);
  if (config.head != HeadKind::kScore) return;
  score = {params.back().value, params.back().grad};
  if (from.config.head == HeadKind::kScore)
    kernels.axpby(params.back().value, from.score.weight, config.hidden_size, 1, 0);
}

// Room for the squares of the rows of every projection in the layers, which magnitudes need.
void Model::Impl::make_squares() {
  int64_t count = 0;
  for (auto& layer : layers) layer.for_each_linear([&](Linear& linear) { count += linear.packed.n; });
  squares = zeros(kernels, count);
  const float* next = squares.floats();
  for (auto& layer : layers) {
    layer.for_each_linear([&](Linear& linear) {
      linear.squares = next;
      next += linear.packed.n;
    });
  }
}

// Of the sequences first ... end - 1, whose rows the pass counts from 0.
void Model::Impl::set_pass(const Batch& batch, int64_t first, int64_t end, const ForwardOptions& options) {
  pass.dropout = options.lora_dropout;
  pass.seed = mix64(options.dropout_seed);
  pass.rows.clear();
  const int64_t origin = batch.starts[first];
  for (int64_t b = first; b < end; ++b) {
    const Model* other = batch.adapter(b);
    const Adapters* of = other != nullptr ? other->impl_->adapters.get() : adapters.get();
    if (of == nullptr) continue;
    const int64_t begin = batch.starts[b] - origin, stop = batch.starts[b + 1] - origin;
    if (!pass.rows.empty() && pass.rows.back().adapters == of && pass.rows.back().end == begin) {
      pass.rows.back().end = stop;
    } else {
      pass.rows.push_back({begin, stop, of});
    }
  }
}

void Model::Impl::place_linears() {
  int64_t bytes = 0;
  for_each_linear([&](Linear& linear) { bytes += linear.packed_bytes(kernels); });
  packed = Buffer(kernels, bytes);
  char* memory = packed.data();
  for_each_linear([&](Linear& linear) {
    linear.place(kernels, memory);
    memory += linear.packed_bytes(kernels);
  });
}

// A model that only serves holds no master of what is packed.
void Model::Impl::lay_out_serving(const ServingTensors& tensors) {
  serves_only = true;
  const auto is_kept = [](const ParamSpec& spec) { return !is_projection(spec); };
  const auto specs = param_specs(config);
  int64_t count = 0, offset = 0;
  for (const ParamSpec& spec : specs) count += is_kept(spec) ? spec.size() : 0;
  values = Buffer(kernels, count * 4);
  std::vector<float> host;
  for (const ParamSpec& spec : specs) {
    params.push_back({spec.name, spec.shape, nullptr, nullptr, spec.size(), spec.is_matrix});
    if (!is_kept(spec)) continue;
    params.back().value = values.floats() + offset;
    offset += spec.size();
    host.resize(static_cast<size_t>(spec.size()));
    tensors.values(spec.name, host.data());
    kernels.upload(params.back().value, host.data(), spec.size() * 4);
  }
  attach_layers();
  refresh_norms();
  size_t next = 0;
  for_each_linear([&](Linear& linear) {
    const WeightType wanted = &linear == &language.linear ? tensors.head : tensors.projections;
    const WeightType in_file = tensors.type(params[linear_parts[next++].first].name);
    linear.packed.type = in_file == WeightType::kCompute ? type_for_rows(linear.packed.k, wanted) : in_file;
    CHECK(linear.packed.type == WeightType::kCompute || kernels.quantized_weights,
          "the {} kernels have no quantised weights", kernels.name);
    linear.frozen_backward = tensors.adapters_trained;
  });
  folder = tensors.folder;
  if (tensors.under_adapters) make_squares();
  place_linears();
  next = 0;
  for_each_linear([&](Linear& linear) {
    const Parts& parts = linear_parts[next++];
    pack_serving(kernels, linear, std::span(params).subspan(parts.first, parts.count), tensors);
  });
}

void Model::Impl::refresh_norms() const {
  if (effective_norms.empty()) return;
  int64_t longest = 0;
  for (const Effective& e : effective_norms) longest = std::max(longest, e.size);
  const Buffer ones = floats_of(kernels, std::vector<float>(static_cast<size_t>(longest), 1.0f));
  for (const Effective& e : effective_norms) {
    kernels.axpby(e.to, ones.floats(), e.size, 1, 0);
    kernels.axpby(e.to, e.from, e.size, 1, 1);
  }
}

void Model::Impl::check_batch(const Batch& batch, std::span<const int32_t> positions) const {
  CHECK(batch.starts.size() >= 1 && batch.starts.front() == 0 && batch.starts.back() == batch.rows(),
        "a batch of {} rows whose sequences end at {}", batch.rows(), batch.starts.back());
  CHECK(static_cast<int64_t>(positions.size()) == batch.rows(), "{} rows, {} positions", batch.rows(),
        positions.size());
  CHECK(batch.prefix.empty() || static_cast<int64_t>(batch.prefix.size()) == batch.sequences(),
        "{} sequences, {} prefixes", batch.sequences(), batch.prefix.size());
  for (int64_t b = 0, last = -1; b < batch.sequences(); ++b) {
    if (!batch.has_prefix(b)) {
      last = b;
      continue;
    }
    CHECK(kernels.shared_prefixes, "the {} kernels share no prefix", kernels.name);
    CHECK(batch.prefix[b] == last, "sequence {} goes on from {}; the last one without a prefix is {}", b,
          batch.prefix[b], last);
  }
  CHECK(batch.adapters.empty() || static_cast<int64_t>(batch.adapters.size()) == batch.sequences(),
        "{} sequences, {} adapters", batch.sequences(), batch.adapters.size());
  for (const Model* adapter : batch.adapters)
    CHECK(adapter == nullptr || (base != nullptr && adapter->base() == base), "an adapter over another base");
  for (int32_t token : batch.tokens) {
    CHECK(token >= 0 && token < config.vocab_size, "token {} of a vocabulary of {}", token, config.vocab_size);
  }
  for (int32_t p : positions) {
    CHECK(p >= 0 && p < config.max_positions, "position {}: the context has {}", p, config.max_positions);
  }
}

Mat Model::Impl::embed(std::span<const int32_t> tokens, std::span<const int32_t> positions, Arena& arena) const {
  const Mat x = arena.take(static_cast<int64_t>(tokens.size()), config.hidden_size, DType::kF32);
  kernels.embedding(x, table, tokens.data());
  if (embedding_scale != 1) kernels.axpby(x.f32(), x.f32(), x.rows * x.cols, embedding_scale, 0);
  if (position_table != nullptr) {
    const Mat places = arena.take(x.rows, x.cols, DType::kF32);
    kernels.embedding(places, position_table, positions.data());
    kernels.axpby(x.f32(), places.f32(), x.rows * x.cols, 1, 1);
  }
  return x;
}

// Nothing is kept: one layer's memory serves all of them, the residual stream is changed in place, and the sequences go
// through the layers in groups that stay in the caches.
Mat Model::Impl::run_layers(const Batch& batch, const Sequences& all) {
  scratch.reset();
  const Mat hidden = scratch.take(batch.rows(), config.hidden_size, compute);
  const int64_t most = kernels.host_memory ? kGroupRows : kCardGroupRows;
  for (int64_t first = 0, end = 0; first < batch.sequences(); first = end) {
    const int64_t begin = batch.starts[first];
    for (end = first + 1; end < batch.sequences() && (batch.starts[end + 1] - begin <= most || batch.has_prefix(end));)
      ++end;
    const int64_t rows = batch.starts[end] - begin;
    group_starts.clear();
    group_prefix.clear();
    for (int64_t b = first; b <= end; ++b) group_starts.push_back(batch.starts[b] - begin);
    for (int64_t b = first; b < end; ++b) group_prefix.push_back(batch.has_prefix(b) ? batch.prefix[b] - first : -1);
    Sequences group{all.positions.subspan(begin, rows), group_starts, group_prefix, all.cache, {}};
    if (all.cache != nullptr) group.cached = all.cached.subspan(first, end - first);

    set_pass(batch, first, end, {});
    work_memory.reset();
    TransformerLayer::Saved work;
    work.input = embed(std::span(batch.tokens).subspan(begin, rows), group.positions, work_memory);
    work.take(context, rows, false, false, work_memory);
    for (const auto& layer : layers) layer.forward(context, work.input, group, {}, work);
    norm.forward(context, hidden.row_range(begin, begin + rows), work.input, work.rstd_attention);
  }
  return hidden;
}

Mat Model::Impl::run_layers_keeping(const Batch& batch, const Sequences& sequences, const ForwardOptions& options) {
  const int64_t rows = batch.rows(), C = config.hidden_size;
  const bool with_dropout = options.dropout > 0;
  set_pass(batch, 0, batch.sequences(), options);
  CHECK(std::all_of(batch.adapters.begin(), batch.adapters.end(), [](const Model* other) { return other == nullptr; }),
        "a forward that keeps for a backward has other models' adapters");
  kept_memory.reset();
  kept.rows = rows;
  kept.options = options;
  kept.layers.resize(layers.size());
  TransformerLayer::Saved work;  // under recompute
  if (options.recompute) {
    work_memory.reset();
    work.take(context, rows, true, with_dropout, work_memory);
  }
  Mat x = embed(batch.tokens, sequences.positions, kept_memory);
  for (size_t i = 0; i < layers.size(); ++i) {
    kept.layers[i].input = x;
    if (!options.recompute) kept.layers[i].take(context, rows, true, with_dropout, kept_memory);
    const Mat output = kept_memory.take(rows, C, DType::kF32);
    work.input = x;
    layers[i].forward(context, output, sequences, dropout(options), options.recompute ? work : kept.layers[i]);
    x = output;
  }
  kept.final_input = x;
  kept.rstd = kept_memory.take_floats(rows);
  const Mat hidden = kept_memory.take(rows, C, compute);
  norm.forward(context, hidden, x, kept.rstd);
  return hidden;
}

Model::Model(const ModelConfig& config, const Kernels& kernels, DType compute, bool with_gradients)
    : impl_(std::make_unique<Impl>(config, kernels, compute)) {
  impl_->make_context();
  impl_->lay_out(with_gradients);
}

Model::Model(const ModelConfig& config, const Kernels& kernels, DType compute, const ServingTensors& tensors)
    : impl_(std::make_unique<Impl>(config, kernels, compute)) {
  impl_->make_context();
  impl_->lay_out_serving(tensors);
}

Model::Model(std::shared_ptr<const Model> base, const LoraConfig& lora, HeadKind head, bool with_gradients)
    : impl_(std::make_unique<Impl>(base->config(), base->kernels(), base->compute())) {
  CHECK(base->serves_only(), "a base must have no parameters of its own");
  impl_->config.head = head;
  impl_->base = std::move(base);
  impl_->lay_over(lora, with_gradients);
}

Model::~Model() = default;

const ModelConfig& Model::config() const {
  return impl_->config;
}
const Kernels& Model::kernels() const {
  return impl_->kernels;
}
DType Model::compute() const {
  return impl_->compute;
}
bool Model::serves_only() const {
  return impl_->serves_only;
}
const std::shared_ptr<const Model>& Model::base() const {
  return impl_->base;
}
const std::string& Model::folder() const {
  return impl_->folder;
}
const LoraConfig& Model::lora() const {
  static const LoraConfig none;
  return impl_->adapters != nullptr ? impl_->adapters->config() : none;
}
int64_t Model::master_bytes() const {
  return impl_->values.bytes();
}

void Model::Impl::init_param(const ParamSpec& spec, const Param& param, Rng rng) const {
  const std::vector<float> initial = initial_values(config, spec, rng);
  kernels.upload(param.value, initial.data(), param.size * 4);
}

void Model::init(Rng rng) {
  impl_->check_trainable();
  const auto specs = impl_->specs();
  const bool has_score = impl_->base != nullptr && impl_->base->config().head == HeadKind::kScore;
  parallel_for(static_cast<int64_t>(specs.size()), [&](int64_t i) {
    if (has_score && specs[i].init == ParamInit::kScore) return;  // the base's goes on
    impl_->init_param(specs[i], impl_->params[i], rng);
  });
  if (impl_->adapters != nullptr) impl_->adapters->init_magnitudes(impl_->pass);
  refresh();
}

void Model::init_head(Rng rng) {
  impl_->check_trainable();
  const auto specs = impl_->specs();
  for (size_t i = 0; i < specs.size(); ++i) {
    if (specs[i].init == ParamInit::kScore) impl_->init_param(specs[i], impl_->params[i], rng);
  }
}

void Model::for_each_param(const std::function<void(const Param&)>& f) const {
  impl_->check_trainable();
  for (const Param& p : impl_->params) f(p);
}

std::span<float> Model::values() const {
  impl_->check_trainable();
  return {impl_->values.floats(), static_cast<size_t>(impl_->values.bytes() / 4)};
}

std::span<float> Model::grads() const {
  return {impl_->gradients.floats(), static_cast<size_t>(impl_->gradients.bytes() / 4)};
}

std::vector<float> Model::host_values() const {
  impl_->check_trainable();
  return to_host(impl_->kernels, impl_->values.floats(), impl_->values.bytes() / 4);
}

void Model::set_values(std::span<const float> values) {
  impl_->check_trainable();
  CHECK(static_cast<int64_t>(values.size_bytes()) == impl_->values.bytes(), "{} values for {} parameters",
        values.size(), impl_->values.bytes() / 4);
  if (!values.empty()) impl_->kernels.upload(impl_->values.data(), values.data(), impl_->values.bytes());
  refresh();
}

void Model::refresh() {
  impl_->check_trainable();
  if (impl_->adapters != nullptr) impl_->adapters->pack(impl_->pass);
  if (impl_->base != nullptr) return;
  impl_->for_each_linear([&](Linear& linear) { linear.pack(impl_->kernels); });
  impl_->refresh_norms();
}

void Model::zero_grads() {
  impl_->gradients.clear_to_zero();
}

Mat Model::forward(const Batch& batch, const ForwardOptions& options) {
  impl_->check_batch(batch, batch.positions);
  const Sequences sequences{batch.positions, batch.starts, batch.prefix, nullptr, {}};
  if (options.keep_for_backward) return impl_->run_layers_keeping(batch, sequences, options);
  CHECK(options.dropout == 0 && options.lora_dropout == 0, "dropout in a forward that is not kept for a backward");
  return impl_->run_layers(batch, sequences);
}

Mat Model::forward_cached(const Batch& batch, KvCache& cache, std::span<const CachedSequence> sequences) {
  CHECK(static_cast<int64_t>(sequences.size()) == batch.sequences(), "{} sequences, {} in the cache", batch.sequences(),
        sequences.size());
  for (int64_t b = 0; b < batch.sequences(); ++b) CHECK(!batch.has_prefix(b), "sequence {} in a cache has a prefix", b);
  auto& positions = impl_->cached_positions;
  positions.resize(batch.rows());
  for (size_t b = 0; b < sequences.size(); ++b) {
    const int64_t begin = batch.starts[b], end = batch.starts[b + 1], length = sequences[b].length;
    const int64_t room = static_cast<int64_t>(sequences[b].pages.size()) * cache.page_tokens();
    CHECK(length >= 0 && length + end - begin <= room, "sequence {}: {} + {} tokens, room for {}", b, length,
          end - begin, room);
    CHECK(sequences[b].pages.size() <= 1 || impl_->kernels.paged_attention, "the {} kernels have no pages",
          impl_->kernels.name);
    for (int64_t row = begin; row < end; ++row) positions[row] = static_cast<int32_t>(length + row - begin);
  }
  impl_->check_batch(batch, positions);
  return impl_->run_layers(batch, {positions, batch.starts, {}, &cache, sequences});
}

void Model::backward(const Batch& batch, Mat dhidden) {
  Impl& m = *impl_;
  const Impl::Kept& kept = m.kept;
  CHECK(m.gradients.data() != nullptr, "this model was made without gradients");
  CHECK(kept.rows == batch.rows() && dhidden.rows == kept.rows,
        "the kept forward has {} rows, the batch {}, dhidden {}", kept.rows, batch.rows(), dhidden.rows);
  const Sequences sequences{batch.positions, batch.starts, batch.prefix, nullptr, {}};
  const Dropout dropout = m.dropout(kept.options);
  m.set_pass(batch, 0, batch.sequences(), kept.options);
  m.backward_memory.reset();
  TransformerLayer::BackwardScratch work;
  work.take(m.context, kept.rows, m.backward_memory);
  TransformerLayer::Saved again;  // under recompute
  if (kept.options.recompute) again.take(m.context, kept.rows, true, dropout.p > 0, m.backward_memory);

  const Mat dx = m.backward_memory.take(kept.rows, m.config.hidden_size, DType::kF32);
  if (kept.rows > 0) m.kernels.clear(dx.data, kept.rows * m.config.hidden_size * 4);
  m.norm.backward(m.context, dx, dhidden, kept.final_input, kept.rstd);
  for (size_t i = m.layers.size(); i-- > 0;) {
    const TransformerLayer::Saved* saved = &kept.layers[i];
    if (kept.options.recompute) {
      again.input = kept.layers[i].input;
      m.layers[i].forward(m.context, Mat{}, sequences, dropout, again);
      saved = &again;
    }
    m.layers[i].backward(m.context, dx, sequences, dropout, *saved, work);
  }
  if (m.dtable == nullptr) return;  // frozen
  if (m.dposition_table != nullptr)
    m.kernels.embedding_backward(m.dposition_table, m.config.max_positions, dx, batch.positions.data());
  if (m.embedding_scale != 1) m.kernels.axpby(dx.f32(), dx.f32(), dx.rows * dx.cols, m.embedding_scale, 0);
  m.kernels.embedding_backward(m.dtable, m.config.vocab_size, dx, batch.tokens.data());
}

namespace {
void check_language(const Linear& linear) {
  CHECK(linear.packed.n > 0, "the model has a score head alone");
}
void check_score(const ModelConfig& config) {
  CHECK(config.head == HeadKind::kScore, "the model has no score head");
}
}  // namespace

Model::LogProbs Model::log_probs(Mat hidden, std::span<const int64_t> rows, std::span<const int32_t> targets,
                                 float temperature, bool with_entropy) {
  check_language(impl_->language.linear);
  return impl_->language.log_probs(impl_->context, hidden, rows, targets, temperature, with_entropy,
                                   impl_->head_memory);
}

Mat Model::log_probs_backward(Mat hidden, std::span<const int64_t> rows, std::span<const int32_t> targets,
                              float temperature, const LogProbs& forward, std::span<const float> dlogprob,
                              std::span<const float> dentropy) {
  check_language(impl_->language.linear);
  return impl_->language.log_probs_backward(impl_->context, hidden, rows, targets, temperature, forward, dlogprob,
                                            dentropy, impl_->head_backward_memory);
}

Model::Likelihood Model::likelihood_backward(Mat hidden, std::span<const int64_t> rows,
                                             std::span<const int32_t> targets, std::span<const float> dlogprob) {
  check_language(impl_->language.linear);
  return impl_->language.likelihood_backward(impl_->context, hidden, rows, targets, dlogprob,
                                             impl_->head_backward_memory);
}

void Model::logits(Mat hidden, std::span<const int64_t> rows, float* out, std::span<const float> inv_temperature,
                   std::span<float> lse) {
  check_language(impl_->language.linear);
  CHECK(inv_temperature.size() == lse.size() && (lse.empty() || lse.size() == rows.size()),
        "{} rows, {} temperatures, {} sums", rows.size(), inv_temperature.size(), lse.size());
  impl_->language.logits(impl_->context, hidden, rows, out, inv_temperature.data(), lse.data(), impl_->head_memory);
}

std::vector<float> Model::scores(Mat hidden, std::span<const int64_t> rows) {
  check_score(config());
  return impl_->score.scores(impl_->context, hidden, rows, impl_->head_memory);
}

Mat Model::scores_backward(Mat hidden, std::span<const int64_t> rows, std::span<const float> dscore) {
  check_score(config());
  return impl_->score.scores_backward(impl_->context, hidden, rows, dscore, impl_->head_backward_memory);
}

}  // namespace loquat
