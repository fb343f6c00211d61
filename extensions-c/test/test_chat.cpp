#include "check.h"
#include "tiny_gguf.h"

#include "chasqui_chat.h"

#include "chat.h"
#include "json.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>

namespace {

tiny_model & model() {
    static tiny_model tiny;
    return tiny;
}

std::string read_file(const std::filesystem::path & path) {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
}

std::vector<std::filesystem::path> template_files() {
    std::vector<std::filesystem::path> files;
    for (const auto & entry : std::filesystem::directory_iterator(CHAT_TEMPLATES)) {
        if (entry.path().extension() == ".jinja") {
            files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

template <typename F>
std::string text_of(F && call) {
    size_t length = 0;
    std::string text(64, 0);
    chq_status status = call(&text[0], text.size(), &length);
    if (status == CHQ_STATUS_BUFFER) {
        text.resize(length + 1);
        status = call(&text[0], text.size(), &length);
    }
    CHECK_OK(status);
    text.resize(length);
    return text;
}

struct chat_template {
    chq_chat_template * tmpl = nullptr;

    explicit chat_template(const std::string & source) {
        CHECK_OK(chq_chat_template_create(model().model, source.c_str(), &tmpl));
    }
    ~chat_template() { chq_chat_template_free(tmpl); }
    chat_template(const chat_template &) = delete;
};

struct turn {
    chq_chat_turn * handle = nullptr;
    common_json     description;

    turn(const chat_template & from, const std::string & request) {
        CHECK_OK(chq_chat_turn_create(from.tmpl, request.c_str(), &handle));
        description = common_json::parse(text_of([&](char * text, size_t capacity, size_t * length) {
            return chq_chat_turn_describe(handle, text, capacity, length);
        }));
    }
    ~turn() { chq_chat_turn_free(handle); }
    turn(const turn &) = delete;

    std::string string(const char * key) const { return description.at(key).get<std::string>(); }

    common_json parse(const std::string & answer, bool partial = false) const {
        return common_json::parse(text_of([&](char * text, size_t capacity, size_t * length) {
            return chq_chat_turn_parse(handle, answer.data(), answer.size(), partial, text, capacity, length);
        }));
    }
};

const char * const SCHEMA = R"({"type":"object","properties":{"city":{"type":"string"}},"required":["city"]})";
const char * const TOOLS  = R"([{"type":"function","function":{"name":"weather","description":"Weather of a city","parameters":
    {"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}])";

struct conversation {
    const char * name;
    const char * messages; // as a request has them
    bool         tools;
};

const conversation CONVERSATIONS[] = {
    { "one question", R"([{"role":"user","content":"Name a river."}])", false },
    { "system",       R"([{"role":"system","content":"Be brief."},{"role":"user","content":"Name a river."}])", false },
    { "two turns",    R"([{"role":"system","content":"Be brief."},{"role":"user","content":"Name a river."},{"role":"assistant","content":"Rimac"},
                          {"role":"user","content":"One more, \"quoted\" \u00e9"}])", false },
    { "tools",        R"([{"role":"system","content":"Be brief."},{"role":"user","content":"Weather in Cusco?"}])", true },
    { "tool results", R"([{"role":"user","content":"Weather in Cusco?"},
                          {"role":"assistant","content":"","tool_calls":[{"id":"abcdefgh1","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Cusco\"}"}}]},
                          {"role":"tool","content":"12 degrees","name":"weather","tool_call_id":"abcdefgh1"}])", true },
};

// The same conversations as a C++ program of llama.cpp's would write them.
std::vector<common_chat_msg> messages_of(const conversation & c) {
    std::vector<common_chat_msg> messages;
    const auto add = [&](const char * role, const char * content) -> common_chat_msg & {
        common_chat_msg message;
        message.role    = role;
        message.content = content;
        messages.push_back(message);
        return messages.back();
    };
    const std::string name = c.name;
    if (name == "system" || name == "two turns" || name == "tools") {
        add("system", "Be brief.");
    }
    add("user", c.tools ? "Weather in Cusco?" : "Name a river.");
    if (name == "two turns") {
        add("assistant", "Rimac");
        add("user", "One more, \"quoted\" \xC3\xA9");
    }
    if (name == "tool results") {
        add("assistant", "").tool_calls.push_back({ "weather", "{\"city\":\"Cusco\"}", "abcdefgh1" });
        common_chat_msg & result = add("tool", "12 degrees");
        result.tool_name    = "weather";
        result.tool_call_id = "abcdefgh1";
    }
    return messages;
}

} // namespace

// For every template that llama.cpp ships: either both render the same, or both refuse.
TEST(prompts_are_those_of_llama_cpp) {
    int rendered[std::size(CONVERSATIONS)] = {};
    for (const std::filesystem::path & file : template_files()) {
        const std::string source = read_file(file);
        const chat_template ours(source);
        const common_chat_templates_ptr theirs = common_chat_templates_init(chq_model_llama(model().model), source);
        for (size_t i = 0; i < std::size(CONVERSATIONS); ++i) {
            const conversation & c = CONVERSATIONS[i];
            common_chat_templates_inputs inputs;
            inputs.messages         = messages_of(c);
            inputs.reasoning_format = COMMON_REASONING_FORMAT_AUTO;
            if (c.tools) {
                inputs.tools = { { "weather", "Weather of a city", SCHEMA } };
            }
            std::string expected;
            bool refused = false;
            try {
                expected = common_chat_templates_apply(theirs.get(), inputs).prompt;
            } catch (const std::exception &) {
                refused = true;
            }
            const std::string request = std::string("{\"messages\":") + c.messages + (c.tools ? std::string(",\"tools\":") + TOOLS : "") + "}";
            chq_chat_turn * made = nullptr;
            const chq_status status = chq_chat_turn_create(ours.tmpl, request.c_str(), &made);
            chq_chat_turn_free(made);
            if (status != (refused ? CHQ_STATUS_ARGUMENT : CHQ_STATUS_OK)) {
                check::report(__FILE__, __LINE__, file.filename().string() + ", " + c.name + ": " + (status ? chq_last_error() : "not refused"));
                continue;
            }
            if (!refused) {
                const std::string actual = turn(ours, request).string("prompt");
                if (actual != expected) {
                    check::report(__FILE__, __LINE__, file.filename().string() + ", " + c.name + ":\n" + actual + "\nexpected\n" + expected);
                }
                ++rendered[i];
            }
        }
    }
    for (size_t i = 0; i < std::size(CONVERSATIONS); ++i) {
        printf("  %s: %d templates\n", CONVERSATIONS[i].name, rendered[i]);
        CHECK(rendered[i] >= 50);
    }
}

static const char * const QWEN   = CHAT_TEMPLATES "/Qwen-Qwen2.5-7B-Instruct.jinja";
static const char * const QWEN_3 = CHAT_TEMPLATES "/Qwen-Qwen3-0.6B.jinja";

static std::string with_tools(const std::string & more = "") {
    return std::string("{\"messages\":[{\"role\":\"user\",\"content\":\"Weather?\"}],\"tools\":") + TOOLS + more + "}";
}

TEST(answer_with_parallel_calls) {
    const chat_template qwen(read_file(QWEN));
    const turn t(qwen, with_tools(",\"parallel_tool_calls\":true"));
    const common_json answer = t.parse("Let me see.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Cusco\"}}\n</tool_call>\n"
                                       "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Puno\"}}\n</tool_call>");
    CHECK_EQ(answer.at("content").get<std::string>().substr(0, 11), std::string("Let me see."));
    CHECK_EQ(answer.at("tool_calls").size(), 2u);
    const common_json call = answer.at("tool_calls").at(1).at("function");
    CHECK_EQ(call.at("name").get<std::string>(), std::string("weather"));
    CHECK_EQ(common_json::parse(call.at("arguments").get<std::string>()).at("city").get<std::string>(), std::string("Puno"));
    CHECK(t.description.at("grammar_lazy").get<bool>());
    CHECK(t.description.at("trigger_patterns").size() + t.description.at("trigger_tokens").size() > 0);
}

// Whatever beginning of an answer is parsed: content and arguments only grow.
TEST(partial_answers_grow) {
    const chat_template qwen(read_file(QWEN_3));
    const turn t(qwen, with_tools());
    const std::string answer = "<think>\nThey want the weather.\n</think>\n\nLet me see.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Cusco\"}}\n</tool_call>";
    std::string reasoning, content, arguments;
    for (size_t n = 0; n <= answer.size(); ++n) {
        const common_json part = t.parse(answer.substr(0, n), true);
        const auto grows = [&](std::string & before, const std::string & now) {
            if (now.compare(0, before.size(), before) != 0) {
                check::report(__FILE__, __LINE__, "after " + std::to_string(n) + " bytes \"" + before + "\" became \"" + now + "\"");
            }
            before = now;
        };
        grows(reasoning, part.value("reasoning_content", ""));
        grows(content, part.value("content", ""));
        grows(arguments, part.contains("tool_calls") && part.at("tool_calls").size() ? part.at("tool_calls").at(0).at("function").at("arguments").get<std::string>() : "");
    }
    CHECK_EQ(reasoning.substr(0, 22), std::string("They want the weather."));
    CHECK_EQ(content.substr(0, 11), std::string("Let me see."));
    CHECK_EQ(common_json::parse(arguments).at("city").get<std::string>(), std::string("Cusco"));
}

// The grammars of tools and schemas are ones that the sampler takes.
TEST(grammars_are_taken) {
    int n = 0;
    for (const std::filesystem::path & file : template_files()) {
        const chat_template tmpl(read_file(file));
        for (const std::string & request : { with_tools(), with_tools(",\"tool_choice\":\"required\""),
                std::string("{\"messages\":[{\"role\":\"user\",\"content\":\"Weather?\"}],\"json_schema\":") + SCHEMA + "}" }) {
            chq_chat_turn * made = nullptr;
            if (chq_chat_turn_create(tmpl.tmpl, request.c_str(), &made) != CHQ_STATUS_OK) {
                continue;
            }
            chq_chat_turn_free(made);
            const turn t(tmpl, request);
            const std::string grammar = t.string("grammar");
            if (grammar.empty()) {
                continue;
            }
            chq_sampler * sampler = nullptr;
            CHECK_OK(chq_sampler_create(model().model, &sampler));
            chq_status status;
            if (t.description.at("grammar_lazy").get<bool>()) {
                std::vector<std::string> patterns;
                std::vector<int32_t> tokens;
                for (size_t i = 0; i < t.description.at("trigger_patterns").size(); ++i) {
                    patterns.push_back(t.description.at("trigger_patterns").at(i).get<std::string>());
                }
                for (size_t i = 0; i < t.description.at("trigger_tokens").size(); ++i) {
                    tokens.push_back((int32_t) t.description.at("trigger_tokens").at(i).get<int64_t>());
                }
                std::vector<const char *> pointers;
                for (const std::string & pattern : patterns) {
                    pointers.push_back(pattern.c_str());
                }
                status = chq_sampler_add_grammar_lazy(sampler, grammar.c_str(), "root", pointers.data(), (int32_t) pointers.size(), tokens.data(), (int32_t) tokens.size());
            } else {
                status = chq_sampler_add_grammar(sampler, grammar.c_str(), "root");
            }
            if (status != CHQ_STATUS_OK) {
                check::report(__FILE__, __LINE__, file.filename().string() + ": " + chq_last_error());
            }
            CHECK_OK(chq_sampler_free(sampler));
            ++n;
        }
    }
    CHECK(n >= 100);
}

TEST(template_arguments) {
    const chat_template tmpl("{% for m in messages %}{{ m.content }}{% endfor %}{{ mood }}{{ n + 1 }}{% if not enable_thinking %}quick{% endif %}");
    const turn t(tmpl, R"({"messages":[{"role":"user","content":"a"}],"enable_thinking":false,"chat_template_kwargs":{"mood":"calm","n":2}})");
    CHECK_EQ(t.string("prompt"), std::string("acalm3quick"));
}

TEST(bad_requests_are_refused) {
    const chat_template qwen(read_file(QWEN));
    chq_chat_turn * made = nullptr;
    for (const char * request : { "", "[]", "{}", "{\"messages\":3}", "{\"messages\":[{}]}", "{\"messages\":[{\"role\":\"user\"}]}", "{\"messages\":[],\"mesages\":1}",
            "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"tools\":[{}]}", "{\"messages\":[{\"role\":3,\"content\":\"a\"}]}",
            "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"tool_choice\":\"perhaps\"}", "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"json_schema\":{\"$ref\":\"#/a\"}}",
            "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"grammar\":\"root ::= \\\"a\\\"\",\"json_schema\":{}}" }) {
        CHECK_STATUS(chq_chat_turn_create(qwen.tmpl, request, &made), CHQ_STATUS_ARGUMENT);
    }
    CHECK_STATUS(chq_chat_turn_create(nullptr, "{}", &made), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_chat_turn_create(qwen.tmpl, nullptr, &made), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_chat_turn_create(qwen.tmpl, (std::string(100000, '[')).c_str(), &made), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_chat_turn_free((chq_chat_turn *) qwen.tmpl), CHQ_STATUS_ARGUMENT);
    const turn t(qwen, with_tools());
    size_t length;
    const std::string deep = "<tool_call>\n{\"name\": \"weather\", \"arguments\": " + std::string(100000, '[');
    CHECK_STATUS(chq_chat_turn_parse(t.handle, deep.data(), deep.size(), true, nullptr, 0, &length), CHQ_STATUS_ARGUMENT);
    const std::string broken = "<tool_call>\n{\"name\": \"wea\xFFther\", \"\xC3";
    const chq_status status = chq_chat_turn_parse(t.handle, broken.data(), broken.size(), true, nullptr, 0, &length);
    CHECK(status == CHQ_STATUS_ARGUMENT || status == CHQ_STATUS_BUFFER);
}

// A template that runs away is ended.
TEST(hostile_templates_end) {
    for (const char * source : {
            "{% for i in range(100000) %}{% for j in range(100000) %}{% set x = i * j %}{% endfor %}{% endfor %}",
            "{% macro again(n) %}{{ again(n + 1) }}{% endmacro %}{{ again(0) }}" }) {
        chq_chat_template * tmpl = nullptr;
        if (chq_chat_template_create(model().model, source, &tmpl) == CHQ_STATUS_OK) {
            chq_chat_turn * made = nullptr;
            CHECK_STATUS(chq_chat_turn_create(tmpl, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", &made), CHQ_STATUS_ARGUMENT);
            chq_chat_template_free(tmpl);
        }
    }
}

static std::string grammar_of(const std::string & schema) {
    return text_of([&](char * text, size_t capacity, size_t * length) { return chq_chat_schema_grammar(schema.c_str(), text, capacity, length); });
}

TEST(schemas_become_grammars) {
    const std::string grammar = grammar_of(SCHEMA);
    CHECK(grammar.find("root ::=") != std::string::npos);
    CHECK(grammar.find("city") != std::string::npos);
    size_t length;
    for (const std::string & schema : { std::string(""), std::string("{"), std::string("3"), std::string("{\"$ref\":\"#\"}"), std::string("{\"$ref\":\"https://example.org/a\"}"),
            std::string("{\"type\":\"thing\"}"), std::string("{\"type\":\"string\",\"pattern\":\"^(a$\"}"), std::string(300000, ' ') + "{}" }) {
        if (chq_chat_schema_grammar(schema.c_str(), nullptr, 0, &length) != CHQ_STATUS_GRAMMAR) {
            check::report(__FILE__, __LINE__, "taken: " + schema.substr(0, 60));
        }
    }
    CHECK_STATUS(chq_chat_schema_grammar(std::string(100000, '[').c_str(), nullptr, 0, &length), CHQ_STATUS_ARGUMENT);
}

// References in circles end, one way or another.
TEST(circular_schemas_end) {
    size_t length;
    for (const char * schema : {
            R"({"$defs":{"a":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"})",
            R"({"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"})",
            R"({"$defs":{"a":{"allOf":[{"$ref":"#/$defs/a"}]}},"$ref":"#/$defs/a"})",
            R"({"$defs":{"a":{"allOf":[{"$ref":"#/$defs/b"}]},"b":{"allOf":[{"$ref":"#/$defs/a"},{"type":"object"}]}},"allOf":[{"$ref":"#/$defs/a"}]})",
            R"({"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/a"},{"type":"string"}]}},"$ref":"#/$defs/a"})",
            R"({"$defs":{"a":{"type":"object","properties":{"next":{"$ref":"#/$defs/a"}}}},"$ref":"#/$defs/a"})" }) {
        const chq_status status = chq_chat_schema_grammar(schema, nullptr, 0, &length);
        CHECK(status == CHQ_STATUS_BUFFER || status == CHQ_STATUS_GRAMMAR);
    }
}

MAIN
