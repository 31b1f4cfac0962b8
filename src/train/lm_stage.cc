// Parts that the stages share (lm_stage.h).
#include "train/lm_stage.h"

#include <algorithm>
#include <cstdio>

#include "data/encode.h"
#include "store/files.h"

namespace loquat {

void RunningMean::add(double value) {
  sum_ = 0.95 * sum_ + value;
  weight_ = 0.95 * weight_ + 1;
}

std::string RunningMean::text() const {
  return fmt::format("{:a} {:a}", sum_, weight_);
}

Status RunningMean::load(const CheckpointState& state, const std::string& name) {
  const auto found = state.texts.find(name);
  if (found == state.texts.end() || std::sscanf(found->second.c_str(), "%la %la", &sum_, &weight_) != 2) {
    return Err("the checkpoint lacks a readable {}", name);
  }
  return {};
}

void save_means(CheckpointState& state, const std::map<std::string, RunningMean>& means) {
  for (const auto& [name, mean] : means) state.texts["mean." + name] = mean.text();
}

Status load_means(const CheckpointState& state, std::map<std::string, RunningMean>& means) {
  means.clear();
  for (const auto& [name, text] : state.texts) {
    if (name.starts_with("mean.")) TRY_STATUS(means[name.substr(5)].load(state, name));
  }
  return {};
}

void save_training(CheckpointState& state, const Model& model, const Optimizer& optimizer, const std::string& prefix) {
  state.tensors[prefix + ".weights"] = model.host_values();
  optimizer.save(state, prefix);
}

Status load_training(const CheckpointState& state, Model& model, Optimizer& optimizer, const std::string& prefix) {
  TRY(const std::span<const float> values, find_tensor(state, prefix + ".weights", model.values().size()));
  model.set_values(values);
  model.zero_grads();
  return optimizer.load(state, prefix);
}

void add_ranks(Ranks& ranks, std::map<std::string, double>& sums) {
  if (ranks.size() == 1) return;
  std::string names;
  for (const auto& [name, value] : sums) names += name + "\n";
  for (const std::string& text : gather_texts(ranks, names)) {
    for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) sums[text.substr(at, text.find('\n', at) - at)];
  }
  std::vector<double> values;
  for (const auto& [name, value] : sums) values.push_back(value);
  ranks.all_reduce(values);
  auto value = values.begin();
  for (auto& [name, sum] : sums) sum = *value++;
}

Status load_mix(const CheckpointState& state, PretrainMix& mix) {
  const auto found = state.texts.find("mix");
  if (found == state.texts.end()) return Err("the checkpoint lacks the state of the pretraining text");
  return mix.load(found->second);
}

Result<std::vector<TokenSequence>> read_encoded(const StageContext& context, const ChatTemplate& chat,
                                                const std::string& path, int64_t positions, bool leave_out_too_long) {
  TRY(std::vector<Demonstration> items, read_demonstrations(path));
  if (leave_out_too_long) {
    const auto removed = std::erase_if(items, [&](const Demonstration& item) {
      const bool replies = std::any_of(item.messages.begin(), item.messages.end(),
                                       [](const Message& m) { return m.role == "assistant"; });
      return replies && !encode_demonstration(chat, item, positions).ok();
    });
    note_too_long(context, path, static_cast<int64_t>(removed), positions);
  }
  auto encoded = encode_demonstrations(chat, items, positions);
  if (!encoded.ok()) return Err("{}: {}", path, encoded.error());
  return encoded;
}

Status write_model_folder(Ranks& ranks, const Model& model, const Tokenizer& tokenizer, const std::string& folder) {
  return on_first(ranks, [&]() -> Status {
    TRY_STATUS(make_folders(folder));
    TRY_STATUS(tokenizer.save(folder));
    return save_model(model, folder);
  });
}

}  // namespace loquat
