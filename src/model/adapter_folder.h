// Adapters as PEFT keeps them: a folder with adapter_config.json and adapter_model.safetensors, the first naming the
// folder of the base (absolute, or from the adapter's folder). Wherever a model folder is taken, such a folder is too.
// An adapter that was saved here knows its base's weights: over others of the same shapes it opens with a warning.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "model/model.h"

namespace loquat {

struct AdapterFolder {
  std::string folder;
  std::string base;  // the base's folder
  LoraConfig lora;
  HeadKind head = HeadKind::kLanguage;
};

bool is_adapter_folder(const std::string& folder);
// What adapter_config.json says; an error names the key that is wrong or that we do not have.
Result<AdapterFolder> read_adapter_folder(const std::string& folder);
// Its base's folder, or the folder itself where it is no adapter's.
Result<std::string> base_folder_of(const std::string& folder);

// check_model_folder of an adapter and its base.
Status check_adapter_folder(const std::string& folder, const Kernels& kernels, const LoadOptions& options);
// load_model where there is an adapter, or a pool of bases: a model over a frozen base; or, to be trained without a
// pool, a whole model with the adapter merged into it.
Result<std::unique_ptr<Model>> load_over_base(const std::string& folder, const Kernels& kernels,
                                              const LoadOptions& options);
// The base's weights with the adapter's added, as a model of its own.
Result<std::unique_ptr<Model>> load_merged(const AdapterFolder& adapter, const Kernels& kernels,
                                           const LoadOptions& options);
// Writes the merged model as a plain folder, with the tokenizer's files and reward.json. An error: `from` is no
// adapter's folder, or `to` is one of the folders that are read.
Status merge_adapter_folder(const std::string& from, const std::string& to, const Kernels& kernels, DType dtype);
// Copies an adapter's folder, with its tokenizer's files and reward.json; the copy names the same base.
Status copy_adapter_folder(const std::string& from, const std::string& to);
// Writes both files; the model has an adapter.
Status save_adapter(const Model& model, const std::string& folder, DType dtype);

}  // namespace loquat
