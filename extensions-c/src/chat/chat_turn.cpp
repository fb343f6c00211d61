// A conversation made ready for an answer, and the answer taken apart.
#include "chat/engine.h"
#include "chat/json_text.h"

#include "common.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <set>

using namespace chq;

struct chq_chat_turn : chq::handle {
    chq_chat_turn() : handle(KIND_CHAT_TURN) {}

    std::string               description; // JSON
    common_chat_parser_params parser;
    bool                      parses = false;
};

namespace {

// An answer is a model's doing: it may nest as deeply as its context is long, and the parser recurses.
constexpr int    MAX_ANSWER_NESTING = 512;
constexpr size_t MAX_ANSWER         = 8u << 20;

const std::set<std::string> KEYS = {
    "messages", "tools", "tool_choice", "parallel_tool_calls", "json_schema", "grammar", "add_generation_prompt", "enable_thinking", "chat_template_kwargs",
};

bool flag(const common_json & request, const char * key, bool otherwise) {
    return request.contains(key) ? request.at(key).get<bool>() : otherwise;
}

common_chat_templates_inputs read_request(const char * text) {
    const common_json request = common_json::parse(text);
    if (!request.is_object()) {
        throw std::invalid_argument("the request is not an object");
    }
    for (const auto & [key, value] : request.items()) {
        (void) value;
        if (!KEYS.count(key)) {
            throw std::invalid_argument("the request has an unknown key \"" + key + "\"");
        }
    }
    common_chat_templates_inputs inputs;
    inputs.messages              = common_chat_msgs_parse_oaicompat(request.at("messages"));
    inputs.add_generation_prompt = flag(request, "add_generation_prompt", true);
    inputs.enable_thinking       = flag(request, "enable_thinking", true);
    inputs.parallel_tool_calls   = flag(request, "parallel_tool_calls", false);
    inputs.reasoning_format      = COMMON_REASONING_FORMAT_AUTO;
    for (const common_chat_msg & message : inputs.messages) {
        for (const common_chat_tool_call & call : message.tool_calls) {
            check_nesting(call.arguments.data(), call.arguments.size(), "a tool call's arguments");
        }
    }
    if (request.contains("tools")) {
        inputs.tools = common_chat_tools_parse_oaicompat(request.at("tools"));
        for (const common_chat_tool & tool : inputs.tools) {
            check_schema(common_json::parse(tool.parameters));
        }
    }
    if (request.contains("tool_choice")) {
        inputs.tool_choice = common_chat_tool_choice_parse_oaicompat(request.at("tool_choice").get<std::string>());
    }
    if (request.contains("json_schema")) {
        check_schema(request.at("json_schema"));
        inputs.json_schema = request.at("json_schema").dump();
    }
    if (request.contains("grammar")) {
        inputs.grammar = request.at("grammar").get<std::string>();
    }
    if (!inputs.grammar.empty() && (!inputs.json_schema.empty() || !inputs.tools.empty())) {
        throw std::invalid_argument("a grammar goes neither with tools nor with a schema");
    }
    if (request.contains("chat_template_kwargs")) {
        for (const auto & [key, value] : request.at("chat_template_kwargs").items()) {
            inputs.chat_template_kwargs[key] = value.dump();
        }
    }
    return inputs;
}

// Triggers as the sampler takes them. A word that is one token of its own waits for the token, as a control token has no text in the output.
void read_triggers(const common_chat_params & params, const llama_vocab * vocab, common_json & patterns, common_json & tokens) {
    for (const common_grammar_trigger & trigger : params.grammar_triggers) {
        switch (trigger.type) {
            case COMMON_GRAMMAR_TRIGGER_TYPE_TOKEN:
                tokens.push_back((int64_t) trigger.token);
                break;
            case COMMON_GRAMMAR_TRIGGER_TYPE_WORD: {
                const std::vector<llama_token> ids = common_tokenize(vocab, trigger.value, false, true);
                const bool preserved = std::find(params.preserved_tokens.begin(), params.preserved_tokens.end(), trigger.value) != params.preserved_tokens.end();
                if (ids.size() == 1 && preserved) {
                    tokens.push_back((int64_t) ids[0]);
                } else {
                    patterns.push_back(regex_escape(trigger.value));
                }
                break;
            }
            case COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN:
                patterns.push_back(trigger.value);
                break;
            case COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN_FULL: {
                const std::string & pattern = trigger.value;
                patterns.push_back(pattern.empty() ? std::string("^$")
                    : (pattern.front() != '^' ? "^" : "") + pattern + (pattern.back() != '$' ? "$" : ""));
                break;
            }
        }
    }
}

common_json list(const std::vector<std::string> & texts) {
    common_json array = common_json::array();
    for (const std::string & text : texts) {
        array.push_back(text);
    }
    return array;
}

// llama.cpp lets a model say something before a call that is required, as a rule "until-NNN" in the root. Small models then say for ever what they
// should call. Without it the answer is the call.
std::string calls_only(const std::string & grammar) {
    const size_t root = grammar.rfind("root ::= ", 0) == 0 ? 0 : grammar.find("\nroot ::= ") + 1;
    const size_t end  = grammar.find('\n', root);
    const size_t rule = grammar.find(" until-", root);
    if (rule == std::string::npos || rule > end) {
        return grammar;
    }
    size_t after = rule + strlen(" until-");
    while (after < grammar.size() && isdigit((unsigned char) grammar[after])) {
        ++after;
    }
    return grammar.compare(after, 2, "? ") == 0 ? grammar.substr(0, rule) + grammar.substr(after + 1) : grammar;
}

// What ends reasoning: the template's marks, and the mark of a call, from which a grammar binds that knows of no reasoning.
std::vector<std::string> reasoning_ends(const common_chat_params & params, const llama_vocab * vocab) {
    std::vector<std::string> ends = params.thinking_end_tags;
    for (const common_grammar_trigger & trigger : params.grammar_triggers) {
        if (!ends.empty() && trigger.type == COMMON_GRAMMAR_TRIGGER_TYPE_WORD) {
            ends.push_back(trigger.value);
        } else if (!ends.empty() && trigger.type == COMMON_GRAMMAR_TRIGGER_TYPE_TOKEN) {
            ends.push_back(common_token_to_piece(vocab, trigger.token, true));
        }
    }
    return ends;
}

void apply(const chq_chat_template * tmpl, const common_chat_templates_inputs & inputs, chq_chat_turn * turn) {
    const common_chat_params params = common_chat_templates_apply(tmpl->templates.get(), inputs);
    if (params.prompt.size() > MAX_RENDERED) {
        throw std::runtime_error("it makes " + std::to_string(params.prompt.size()) + " bytes of text");
    }
    turn->parser = common_chat_parser_params(params);
    turn->parser.reasoning_format = inputs.reasoning_format;
    if (!params.parser.empty()) {
        turn->parser.parser.load(params.parser);
    }
    turn->parses = !params.parser.empty() && (!inputs.tools.empty() || !inputs.json_schema.empty() || params.supports_thinking || !params.preserved_tokens.empty());

    common_json description = common_json::object();
    description["prompt"]            = params.prompt;
    description["generation_prompt"] = params.generation_prompt;
    description["grammar"]           = inputs.tool_choice == COMMON_CHAT_TOOL_CHOICE_REQUIRED ? calls_only(params.grammar) : params.grammar;
    description["grammar_lazy"]      = params.grammar_lazy;
    common_json patterns = common_json::array();
    common_json tokens   = common_json::array();
    read_triggers(params, tmpl->vocab, patterns, tokens);
    description["trigger_patterns"]  = patterns;
    description["trigger_tokens"]    = tokens;
    description["stops"]             = list(params.additional_stops);
    description["control_texts"]     = list(params.preserved_tokens);
    description["thinks"]            = params.supports_thinking;
    description["reasoning_start"]   = params.thinking_start_tag;
    description["reasoning_ends"]    = list(reasoning_ends(params, tmpl->vocab));
    description["parses"]            = turn->parses;
    turn->description = description.dump_safe();
}

} // namespace

chq_status chq_chat_turn_create(const struct chq_chat_template * tmpl, const char * request, struct chq_chat_turn ** out) {
    return guarded([&] {
        check_handle(tmpl, KIND_CHAT_TEMPLATE, "template");
        check_pointer(request, "request");
        check_pointer(out, "out");
        check_nesting(request, strlen(request), "the request");
        auto turn = std::make_unique<chq_chat_turn>();
        common_chat_templates_inputs inputs;
        run_engine("not a request", [&] { inputs = read_request(request); });
        run_engine("the chat template refuses this conversation", [&] {
            const std::lock_guard<std::mutex> lock(const_cast<chq_chat_template *>(tmpl)->mutex);
            apply(tmpl, inputs, turn.get());
        });
        *out = turn.release();
        return CHQ_STATUS_OK;
    });
}

chq_status chq_chat_turn_free(struct chq_chat_turn * turn) {
    return guarded([&] {
        if (turn) {
            check_handle(turn, KIND_CHAT_TURN, "turn");
            turn->kind = KIND_FREED;
            delete turn;
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_chat_turn_describe(const struct chq_chat_turn * turn, char * text, size_t capacity, size_t * length) {
    return guarded([&] {
        check_handle(turn, KIND_CHAT_TURN, "turn");
        check_pointer(length, "length");
        return give_text(turn->description.data(), turn->description.size(), text, capacity, length);
    });
}

chq_status chq_chat_turn_parse(
        const struct chq_chat_turn * turn,
        const char                 * answer,
        size_t                       n_answer,
        bool                         partial,
        char                       * text,
        size_t                       capacity,
        size_t                     * length) {
    return guarded([&] {
        check_handle(turn, KIND_CHAT_TURN, "turn");
        check_pointer(answer, "answer");
        check_pointer(length, "length");
        if (n_answer > MAX_ANSWER) {
            fail(CHQ_STATUS_ARGUMENT, "the answer has %zu bytes, at most %zu are read", n_answer, MAX_ANSWER);
        }
        check_brackets(answer, n_answer, MAX_ANSWER_NESTING, "the answer");
        std::string parsed;
        run_engine("not an answer of this conversation", [&] {
            common_json result = common_json::object();
            if (!turn->parses) {
                result["content"] = std::string(answer, n_answer);
            } else {
                const common_chat_msg message = common_chat_parse(std::string(answer, n_answer), partial, turn->parser);
                result["content"]           = message.render_content();
                result["reasoning_content"] = message.reasoning_content;
                common_json calls = common_json::array();
                for (const common_chat_tool_call & call : message.tool_calls) {
                    common_json function = common_json::object();
                    function["name"]      = call.name;
                    function["arguments"] = call.arguments;
                    common_json entry = common_json::object();
                    entry["id"]       = call.id;
                    entry["type"]     = "function";
                    entry["function"] = function;
                    calls.push_back(entry);
                }
                result["tool_calls"] = calls;
            }
            parsed = result.dump_safe();
        });
        return give_text(parsed.data(), parsed.size(), text, capacity, length);
    });
}
