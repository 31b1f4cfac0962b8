// Routes, what is refused and with which words, and the routes without replies: embeddings, tokens, models, counts, the
// OpenAPI file.
#include "serve/api/api.h"

#include <cstring>
#include <set>

#include "serve/api/chat.h"
#include "serve/api/completions.h"
#include "serve/api/testing.h"

namespace loquat::serve::api {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(ApiTest, Routes) {
  const auto routed = [&](const std::string& path) { return Api(backend, nullptr, {}).handles(path); };
  for (const char* path : {"/v1/chat/completions", "/v1/nothing", "/v1/models/a", "/admin/models/a/load", "/tokenize",
                           "/detokenize", "/health", "/ready", "/metrics", "/openapi.json"}) {
    EXPECT_TRUE(routed(path)) << path;
  }
  for (const char* path : {"/", "/index.html", "/admin/keys", "/v1", "/healthy"}) EXPECT_FALSE(routed(path)) << path;
  EXPECT_EQ(error(request("GET", "/v1/nothing")), "404 not_found null");
  EXPECT_EQ(error(request("GET", "/v1/models/")), "404 not_found null");
  EXPECT_EQ(error(request("POST", "/admin/models/load")), "404 not_found null");
  for (const char* path : {"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/tokenize",
                           "/detokenize", "/admin/models/a/load"}) {
    const auto reply = request("GET", path);
    EXPECT_EQ(error(reply), "405 method_not_allowed null") << path;
    EXPECT_EQ(reply->header("Allow"), "POST");
    EXPECT_NE(reply->header("x-request-id"), "");
  }
  for (const char* path : {"/v1/models", "/v1/models/a", "/health", "/ready", "/metrics", "/openapi.json"}) {
    EXPECT_EQ(request("DELETE", path)->header("Allow"), "GET") << path;
  }
}

TEST_F(ApiTest, Health) {
  EXPECT_EQ(request("GET", "/health")->body, R"({"status":"ok"})");
  EXPECT_EQ(request("GET", "/ready")->status, 200);
  options_.ready = [] { return false; };
  Api unready(backend, nullptr, options_);
  auto reply = std::make_shared<FakeReply>();
  unready.handle({"GET", "/ready", {}, {}, "", "", false}, reply, {});
  EXPECT_EQ(error(reply), "503 not_ready null");
}

TEST_F(ApiTest, Models) {
  EXPECT_EQ(json(request("GET", "/v1/models")), Json::parse(R"({"object": "list", "data": [
    {"id": "talker", "object": "model", "created": 100, "owned_by": "loquat", "loaded": true},
    {"id": "team/embedder", "object": "model", "created": 200, "owned_by": "loquat", "loaded": false}]})"));
  EXPECT_EQ(json(request("GET", "/v1/models/team/embedder"))["id"], "team/embedder");
  EXPECT_EQ(error(request("GET", "/v1/models/nobody")), "404 model_not_found model");
  EXPECT_EQ(json(request("POST", "/admin/models/team/embedder/load"))["loaded"], true);
  EXPECT_EQ(json(request("POST", "/admin/models/talker/unload"))["loaded"], false);
  EXPECT_EQ(error(request("POST", "/admin/models/nobody/load")), "404 model_not_found model");
  EXPECT_EQ(error(request("POST", "/admin/models/nobody/unload")), "404 model_not_found model");
  caller.admin = false;
  for (const char* path : {"/admin/models/talker/load", "/admin/models/talker/unload"}) {
    EXPECT_EQ(error(request("POST", path)), "403 admin_key_required null");
  }
  EXPECT_EQ(error(request("GET", "/metrics")), "403 admin_key_required null");
}

TEST_F(ApiTest, BodiesThatAreNoRequest) {
  const auto refused = [&](const std::string& body) { return error(request("POST", "/v1/chat/completions", body)); };
  const std::string json_error = "400 invalid_json null";
  for (const char* body :
       {"", "{", "nonsense", "{\"model\": \"talker\",}", "{\"model\": NaN}", "{\"model\": \"\\ud800\"}",
        "{\"model\": \"\xFF\"}", "{\"model\": \"\xED\xA0\x80\"}", "{} {}"}) {
    EXPECT_EQ(refused(body), json_error) << body;
  }
  for (const char* body : {"[]", "5", "\"text\"", "null"}) EXPECT_EQ(refused(body), "400 invalid_type null") << body;
  EXPECT_EQ(refused(std::string(1 << 20, '[')), json_error);
  EXPECT_EQ(refused("{\"messages\": " + std::string(1 << 20, '[')), "400 invalid_json messages");
  std::string many = "{\"logit_bias\": {";
  for (int i = 0; i < 100000; ++i) many += "\"" + std::to_string(i) + "\": 1,";
  EXPECT_EQ(refused(many), "400 invalid_value logit_bias");
  EXPECT_EQ(refused("{\"temperature\": 1e400}"), "400 invalid_value temperature");
  EXPECT_EQ(refused("{\"metadata\": {\"a\": [1e400]}}"), "400 invalid_value metadata");
  // The answer is not as large as what it refuses.
  EXPECT_LT(request("POST", "/v1/chat/completions", "{\"" + std::string(1 << 20, 'x') + "\": 1}")->body.size(), 3000u);
}

TEST_F(ApiTest, OfANameThatComesTwiceTheLastCounts) {
  const auto reply =
      request("POST", "/v1/chat/completions",
              R"({"model": "nobody", "messages": [{"role": "user", "content": "Hi"}], "model": "talker"})");
  EXPECT_EQ(reply->status, 200);
}

TEST_F(ApiTest, ChatFieldsThatAreWrong) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {R"({"model": null})", "400 missing_required_parameter model"},
      {R"({"model": 5})", "400 invalid_type model"},
      {R"({"model": "nobody"})", "404 model_not_found model"},
      {R"({"messages": null})", "400 missing_required_parameter messages"},
      {R"({"messages": []})", "400 empty_array messages"},
      {R"({"messages": "Hi"})", "400 invalid_type messages"},
      {R"({"messages": [5]})", "400 invalid_type messages[0]"},
      {R"({"messages": [{"content": "Hi"}]})", "400 missing_required_parameter messages[0].role"},
      {R"({"messages": [{"role": "function", "name": "f", "content": "Hi"}]})", "400 invalid_value messages[0].role"},
      {R"({"messages": [{"role": "user"}]})", "400 missing_required_parameter messages[0].content"},
      {R"({"messages": [{"role": "user", "content": 5}]})", "400 invalid_type messages[0].content"},
      {R"({"messages": [{"role": "user", "content": [{"type": "text"}]}]})",
       "400 missing_required_parameter messages[0].content[0].text"},
      {R"({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]})",
       "400 unsupported_content messages[0].content[0].type"},
      {R"({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]})",
       "400 unsupported_content messages[0].content[0].type"},
      {R"({"messages": [{"role": "assistant", "content": null}]})",
       "400 missing_required_parameter messages[0].content"},
      {R"({"messages": [{"role": "assistant", "content": "", "function_call": {"name": "f"}}]})",
       "400 unsupported_parameter messages[0].function_call"},
      {R"({"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "type": "function"}]}]})",
       "400 missing_required_parameter messages[0].tool_calls[0].function"},
      {R"({"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function":
         {"name": "f", "arguments": "{\"a\": "}}]}]})",
       "400 invalid_value messages[0].tool_calls[0].function.arguments"},
      {R"({"messages": [{"role": "tool", "content": "x"}]})",
       "400 missing_required_parameter messages[0].tool_call_id"},
      {R"({"messages": [{"role": "tool", "tool_call_id": "1", "content": "x"}]})",
       "400 invalid_value messages[0].tool_call_id"},
      {R"({"n": 0})", "400 invalid_value n"},
      {R"({"n": -1})", "400 invalid_value n"},
      {R"({"n": 129})", "400 invalid_value n"},
      {R"({"n": 1.5})", "400 invalid_type n"},
      {R"({"n": 9223372036854775808})", "400 invalid_value n"},
      {R"({"n": 18446744073709551616})", "400 invalid_type n"},
      {R"({"stop": ["1", "2", "3", "4", "5"]})", "400 array_above_max_length stop"},
      {R"({"stop": [""]})", "400 invalid_value stop"},
      {R"({"stop": 5})", "400 invalid_type stop"},
      {R"({"seed": 9223372036854775808})", "400 invalid_value seed"},
      {R"({"seed": "1"})", "400 invalid_type seed"},
      {R"({"temperature": -0.1})", "400 invalid_value temperature"},
      {R"({"temperature": 2.1})", "400 invalid_value temperature"},
      {R"({"temperature": "1"})", "400 invalid_type temperature"},
      {R"({"top_p": 1.1})", "400 invalid_value top_p"},
      {R"({"top_k": -1})", "400 invalid_value top_k"},
      {R"({"top_k": 2147483648})", "400 invalid_value top_k"},
      {R"({"min_p": 2})", "400 invalid_value min_p"},
      {R"({"presence_penalty": 2.5})", "400 invalid_value presence_penalty"},
      {R"({"frequency_penalty": -3})", "400 invalid_value frequency_penalty"},
      {R"({"logit_bias": []})", "400 invalid_type logit_bias"},
      {R"({"logit_bias": {"a": 1}})", "400 invalid_value logit_bias"},
      {R"({"logit_bias": {"-1": 1}})", "400 invalid_value logit_bias"},
      {R"({"logit_bias": {"1": 101}})", "400 invalid_value logit_bias.1"},
      {R"({"logit_bias": {"262": 1}})", "400 invalid_value logit_bias"},
      {R"({"logprobs": 1})", "400 invalid_type logprobs"},
      {R"({"top_logprobs": 2})", "400 invalid_value top_logprobs"},
      {R"({"logprobs": true, "top_logprobs": 21})", "400 invalid_value top_logprobs"},
      {R"({"max_tokens": 0})", "400 invalid_value max_tokens"},
      {R"({"max_completion_tokens": -1})", "400 invalid_value max_completion_tokens"},
      {R"({"stream": "yes"})", "400 invalid_type stream"},
      {R"({"stream_options": {"include_usage": true}})", "400 invalid_value stream_options"},
      {R"({"stream": true, "stream_options": {"include_usage": 1}})", "400 invalid_type stream_options.include_usage"},
      {R"({"stream": true, "stream_options": {"else": 1}})", "400 unknown_parameter stream_options.else"},
      {R"({"user": 5})", "400 invalid_type user"},
      {R"({"modalities": ["text", "audio"]})", "400 unsupported_value modalities"},
      {R"({"audio": {"voice": "x"}})", "400 unsupported_parameter audio"},
      {R"({"functions": []})", "400 unsupported_parameter functions"},
      {R"({"function_call": "auto"})", "400 unsupported_parameter function_call"},
      {R"({"tools": {}})", "400 invalid_type tools"},
      {R"({"tools": [{"type": "custom"}]})", "400 unsupported_value tools[0].type"},
      {R"({"tools": [{"type": "function"}]})", "400 missing_required_parameter tools[0].function"},
      {R"({"tools": [{"type": "function", "function": {"name": "a b"}}]})", "400 invalid_value tools[0].function.name"},
      {R"({"tools": [{"type": "function", "function": {"name": "f", "parameters": 5}}]})",
       "400 invalid_type tools[0].function.parameters"},
      {R"({"tools": [{"type": "function", "function": {"name": "f"}}, {"type": "function", "function": {"name": "f"}}]})",
       "400 invalid_value tools"},
      {R"({"tool_choice": "required"})", "400 invalid_value tool_choice"},
      {R"({"tool_choice": "some"})", "400 invalid_value tool_choice"},
      {R"({"tool_choice": {"type": "function", "function": {"name": "f"}}})", "400 invalid_value tool_choice"},
      {R"({"tool_choice": {"type": "allowed_tools"}})", "400 unsupported_value tool_choice.type"},
      {R"({"parallel_tool_calls": "no"})", "400 invalid_type parallel_tool_calls"},
      {R"({"temprature": 1})", "400 unknown_parameter temprature"},
  };
  for (const auto& [more, expected] : cases) {
    Json body = Json::parse(R"({"model": "talker", "messages": [{"role": "user", "content": "Hi"}]})");
    body.update(Json::parse(more));
    EXPECT_EQ(error(post("/v1/chat/completions", body)), expected) << more;
  }
  EXPECT_TRUE(backend->talker->calls.empty());
  EXPECT_TRUE(meter->reserved.empty());
}

TEST_F(ApiTest, ChatFieldsThatAreIgnored) {
  const auto reply =
      request("POST", "/v1/chat/completions", R"({"model": "talker", "store": true, "metadata": {"a": "b"},
    "messages": [{"role": "developer", "content": "x", "name": "n"}, {"role": "user", "content": []},
                 {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}], "refusal": null, "audio": null}],
    "service_tier": "auto", "prediction": {"type": "content", "content": ""}, "modalities": ["text"], "user": "u",
    "reasoning_effort": "low", "n": null, "temperature": null, "stop": null, "tools": [], "tool_choice": "auto"})");
  EXPECT_EQ(reply->status, 200) << reply->body;
}

TEST_F(ApiTest, Embeddings) {
  const auto embed = [&](const char* more) {
    Json body = Json::parse(R"({"model": "team/embedder", "input": "ab"})");
    body.update(Json::parse(more));
    return post("/v1/embeddings", body);
  };
  const Json one = json(embed("{}"));
  EXPECT_EQ(one["object"], "list");
  EXPECT_EQ(one["model"], "team/embedder");
  EXPECT_EQ(one["usage"], Json::parse(R"({"prompt_tokens": 2, "total_tokens": 2})"));
  ASSERT_EQ(one["data"].size(), 1u);
  EXPECT_EQ(one["data"][0]["object"], "embedding");
  EXPECT_EQ(one["data"][0]["index"], 0);
  EXPECT_EQ(one["data"][0]["embedding"], Json(std::vector<float>{0.6f, 0.8f, 0, 0}));
  EXPECT_EQ(meter->settled, (std::vector<std::array<int64_t, 3>>{{2, 2, 0}}));
  const Json many = json(embed(R"({"input": ["a", "ab", "abc"]})"));
  ASSERT_EQ(many["data"].size(), 3u);
  EXPECT_EQ(many["data"][2]["index"], 2);
  EXPECT_EQ(many["usage"]["prompt_tokens"], 6);
  EXPECT_EQ(json(embed(R"({"input": [[7, 8], [9]]})"))["data"].size(), 2u);
  // 0.6f is 9a 99 19 3f, 0.8f is cd cc 4c 3f; little-endian float32.
  EXPECT_EQ(json(embed(R"({"encoding_format": "base64"})"))["data"][0]["embedding"], "mpkZP83MTD8AAAAAAAAAAA==");
  EXPECT_EQ(json(embed(R"({"dimensions": 1})"))["data"][0]["embedding"], Json(std::vector<float>{1}));
  const std::vector<std::pair<const char*, const char*>> cases = {
      {R"({"model": "talker"})", "400 unsupported_value model"},
      {R"({"input": ""})", "400 invalid_value input"},
      {R"({"input": ["a", ""]})", "400 invalid_value input[1]"},
      {R"({"input": {}})", "400 invalid_type input"},
      {R"({"dimensions": 0})", "400 invalid_value dimensions"},
      {R"({"dimensions": 5})", "400 invalid_value dimensions"},
      {R"({"encoding_format": "hex"})", "400 invalid_value encoding_format"},
      {R"({"stream": true})", "400 unknown_parameter stream"},
  };
  for (const auto& [body, expected] : cases) EXPECT_EQ(error(embed(body)), expected) << body;
  const Json long_input = {{"model", "team/embedder"}, {"input", std::string(4097, 'x')}};
  EXPECT_EQ(error(post("/v1/embeddings", long_input)), "400 context_length_exceeded input");
}

TEST_F(ApiTest, Tokens) {
  const Json text =
      json(request("POST", "/tokenize", R"({"model": "talker", "prompt": "ab", "return_token_strs": true})"));
  EXPECT_EQ(text["count"], 2);
  EXPECT_EQ(text["max_model_len"], 4096);
  EXPECT_EQ(text["tokens"], Json(byte_tokenizer().encode("ab")));
  EXPECT_EQ(text["token_strs"], Json::array({"a", "b"}));
  const std::string messages = R"({"model": "talker", "messages": [{"role": "user", "content": "a"}])";
  EXPECT_EQ(json(request("POST", "/tokenize", messages + "}"))["count"], 4);
  EXPECT_EQ(json(request("POST", "/tokenize", messages + R"(, "add_generation_prompt": false})"))["count"], 3);
  EXPECT_EQ(error(request("POST", "/tokenize", R"({"model": "talker"})")), "400 missing_required_parameter prompt");
  EXPECT_EQ(error(request("POST", "/tokenize", messages + R"(, "prompt": "a"})")), "400 invalid_value prompt");
  Json back = {{"model", "talker"}, {"tokens", byte_tokenizer().encode("\xC3\xA9!")}};
  EXPECT_EQ(json(post("/detokenize", back)), (Json{{"prompt", "\xC3\xA9!"}}));
  back["tokens"] = Json::array({262});
  EXPECT_EQ(error(post("/detokenize", back)), "400 invalid_value tokens");
  back.erase("tokens");
  EXPECT_EQ(error(post("/detokenize", back)), "400 missing_required_parameter tokens");
}

TEST_F(ApiTest, CountsAndLog) {
  const std::string chat = R"({"model": "talker", "messages": [{"role": "user", "content": "secret words"}]})";
  request("POST", "/v1/chat/completions", chat);
  request("POST", "/v1/chat/completions", "{");
  request("GET", "/v1/unknown/path");
  request("GET", "/v1/models/talker");
  const auto reply = request("GET", "/metrics");
  EXPECT_EQ(reply->header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  for (const char* line : {"# TYPE loquat_requests_total counter\n", "# TYPE loquat_requests_running gauge\n",
                           "# TYPE loquat_time_to_first_token_seconds histogram\n",
                           "loquat_requests_total{route=\"/v1/chat/completions\",status=\"200\"} 1\n",
                           "loquat_requests_total{route=\"/v1/chat/completions\",status=\"400\"} 1\n",
                           "loquat_requests_total{route=\"other\",status=\"404\"} 1\n",
                           "loquat_requests_total{route=\"/v1/models/{model}\",status=\"200\"} 1\n",
                           "loquat_requests_running 1\n", "loquat_request_duration_seconds_count{route=\"other\"} 1\n",
                           "loquat_time_to_first_token_seconds_count{model=\"talker\"} 1\n",
                           "loquat_time_per_output_token_seconds_count{model=\"talker\"} 1\n"}) {
    EXPECT_THAT(reply->body, HasSubstr(line));
  }
  EXPECT_THAT(reply->body, testing::ContainsRegex("loquat_tokens_total.*completion.* 6\n"));
  ASSERT_EQ(log.size(), 5u);
  const Json line = Json::parse(log[0]);
  EXPECT_EQ(line["route"], "/v1/chat/completions");
  EXPECT_EQ(line["status"], 200);
  EXPECT_EQ(line["model"], "talker");
  EXPECT_EQ(line["key"], "key_1");
  EXPECT_EQ(line["completion_tokens"], 6);
  EXPECT_TRUE(line["ms"].is_number_integer());
  for (const std::string& text : log) {
    EXPECT_THAT(text, Not(HasSubstr("secret")));
    EXPECT_THAT(text, Not(HasSubstr("Hello")));
  }
}

TEST_F(ApiTest, ARefusalIsLoggedAndNamed) {
  options_.log_texts = true;
  Api api(backend, meter, options_);
  http::Request request;
  request.method = "POST";
  request.path = "/v1/models/secret";
  request.body = "secret";
  const auto reply = std::make_shared<FakeReply>();
  api.refuse(std::move(request), reply, {401, "No key.", "invalid_request_error", "", "invalid_api_key"});
  EXPECT_EQ(error(reply), "401 invalid_api_key null");
  ASSERT_EQ(log.size(), 1u);
  const Json line = Json::parse(log[0]);
  EXPECT_EQ(line["request"], reply->header("x-request-id"));
  EXPECT_EQ(line["status"], 401);
  EXPECT_EQ(line["route"], "/v1/models/{model}");
  EXPECT_THAT(log[0], Not(HasSubstr("secret")));
}

TEST_F(ApiTest, WhatTakesLongIsDoneInTheBackground) {
  std::vector<std::function<void()>> jobs;
  size_t room = 3;
  options_.background = [&](std::function<void()> job) {
    if (jobs.size() >= room) return false;
    jobs.push_back(std::move(job));
    return true;
  };
  const Json input = {{"model", "team/embedder"}, {"input", "a"}};
  const Json chat = {{"model", "talker"}, {"messages", Json::array({{{"role", "user"}, {"content", "Hi"}}})}};
  const auto embedded = post("/v1/embeddings", input);
  EXPECT_EQ(post("/v1/chat/completions", chat)->status, 200);  // its model is there: at once
  EXPECT_EQ(jobs.size(), 1u);
  backend->unloaded = true;
  const auto waiting = post("/v1/chat/completions", chat), loading = post("/admin/models/talker/load", Json::object());
  EXPECT_FALSE(embedded->ended || waiting->ended || loading->ended);
  EXPECT_EQ(error(post("/v1/embeddings", input)), "429 queue_full null");
  EXPECT_EQ(error(post("/v1/chat/completions", {{"model", "talker"}})), "400 missing_required_parameter messages");
  for (const auto& job : jobs) job();
  for (const auto& reply : {embedded, waiting, loading}) EXPECT_EQ(reply->status, 200) << reply->body;
}

TEST_F(ApiTest, TextsAreLoggedWhereAsked) {
  options_.log_texts = true;
  request("POST", "/v1/chat/completions", R"({"model": "talker", "messages": [{"role": "user", "content": "words"}]})");
  EXPECT_THAT(Json::parse(log.at(0))["body"].get<std::string>(), HasSubstr("words"));
  EXPECT_EQ(Json::parse(log[0])["reply"], "Hello.");
}

TEST_F(ApiTest, TheOpenApiFileNamesWhatThereIs) {
  const Json file = json(request("GET", "/openapi.json"));
  EXPECT_THAT(file["openapi"].get<std::string>(), testing::StartsWith("3.1"));
  for (const auto& [path, methods] : file["paths"].items()) {
    std::string real = path;
    if (const size_t at = real.find("{model}"); at != std::string::npos) real.replace(at, 7, "talker");
    for (const auto& [method, operation] : methods.items()) {
      const int status = request(method == "get" ? "GET" : "POST", real)->status;
      EXPECT_TRUE(status == 200 || status == 400) << path << " " << status;
    }
  }
  for (const char* path : {"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/tokenize",
                           "/detokenize", "/v1/models", "/v1/models/{model}", "/admin/models/{model}/load",
                           "/admin/models/{model}/unload", "/health", "/ready", "/metrics", "/openapi.json"}) {
    EXPECT_TRUE(file["paths"].contains(path)) << path;
  }
  const auto same = [&](const char* schema, std::span<const std::string_view> fields) {
    std::set<std::string> named, accepted(fields.begin(), fields.end());
    for (const auto& [name, value] : file["components"]["schemas"][schema]["properties"].items()) named.insert(name);
    EXPECT_EQ(named, accepted) << schema;
  };
  same("ChatRequest", chat_fields());
  same("CompletionRequest", completions_fields());
}

}  // namespace
}  // namespace loquat::serve::api
