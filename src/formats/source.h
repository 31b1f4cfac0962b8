// A model's parameters wherever they lie: a Hugging Face folder, a GGUF file, llama2.c's .bin. Opening checks every
// tensor's name, shape and type against the config and the file's length; reading then cannot fail. Nothing that could
// run code is opened: PyTorch's pickles are refused.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/params.h"
#include "store/gguf.h"

namespace loquat {

enum class SourceFormat { kFolder, kGguf, kLlama2c };

struct SourceTensor {  // as the file has it
  std::string name, dtype;
  std::vector<int64_t> shape;
};

struct ModelSource {
  SourceFormat format = SourceFormat::kFolder;
  std::string path;                // the folder or file
  std::vector<std::string> files;  // with the weights
  ModelConfig config;
  std::vector<ParamSpec> params;      // param_specs(config)
  std::vector<SourceTensor> tensors;  // in the file's order
  std::string dtype;                  // most of the parameters' type: "F32", "BF16", "Q4_K", ...
  // Parameter i's values; out has params[i].size().
  std::function<void(size_t i, std::span<float> out)> read;
};

const char* source_format_name(SourceFormat format);

// What a path is: a folder with config.json, or by its first bytes. An error for what cannot be opened, with the
// reason.
Result<SourceFormat> detect_format(const std::string& path);
Result<ModelSource> open_source(const std::string& path);

Result<ModelSource> open_folder_source(const std::string& folder);
Result<ModelSource> open_gguf_source(const std::string& path);
// The legacy form: seven int32 (dim, hidden_dim, layers, heads, kv_heads, vocabulary, negative where the output has a
// matrix of its own, and positions), then float32.
Result<ModelSource> open_llama2c_source(const std::string& path);

}  // namespace loquat
