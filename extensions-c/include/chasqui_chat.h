// Chat templates: the model's own Jinja source, rendered by llama.cpp's engine. A turn is a conversation made ready for an answer: its
// text, the grammar of what may follow, and the parser of what did. Conversations, tools and answers are JSON texts here, in the form of
// OpenAI's chat completions. Text outputs: *length = bytes needed without the terminator; CHQ_STATUS_BUFFER if length + 1 > capacity.
#pragma once

#include "chasqui_guard.h"
#include "chasqui_model.h"

#ifdef __cplusplus
extern "C" {
#endif

struct chq_chat_template;
struct chq_chat_turn;

// source: Jinja text; NULL = the model's own, or ChatML if it has none. The model must outlive the template.
CHQ_API chq_status chq_chat_template_create(const struct chq_model * model, const char * source, struct chq_chat_template ** out);
CHQ_API chq_status chq_chat_template_free(struct chq_chat_template * tmpl); // NULL is ignored

// A conversation that waits for an answer. request: a JSON object of
//   messages               array of { role, content, reasoning_content, tool_calls, tool_call_id, name }; content = text, or array of { type: "text", text }
//   tools                  array of { type: "function", function: { name, description, parameters } }, parameters = a JSON schema
//   tool_choice            "auto" (default), "required" (calls and nothing else), "none"
//   parallel_tool_calls    whether an answer may hold several calls, default false
//   json_schema            schema that the answer must follow
//   grammar                GBNF that the answer must follow; not together with tools or json_schema
//   add_generation_prompt  end with the opening of the assistant's turn, default true
//   enable_thinking        default true; for templates that know of it
//   chat_template_kwargs   object of further variables of the template
// and nothing else. CHQ_STATUS_ARGUMENT if it is no such object or the template refuses the conversation. The turn may outlive the template.
CHQ_API chq_status chq_chat_turn_create(const struct chq_chat_template * tmpl, const char * request, struct chq_chat_turn ** out);
CHQ_API chq_status chq_chat_turn_free(struct chq_chat_turn * turn); // NULL is ignored

// What there is to know of a turn: a JSON object of
//   prompt             the text
//   generation_prompt  the end of it that belongs to the answer; a grammar that is not lazy wants to see it first
//   grammar            GBNF, "" = none
//   grammar_lazy       whether it binds from a trigger on
//   trigger_patterns, trigger_tokens  as chq_sampler_add_grammar_lazy takes them
//   stops              strings that end the answer
//   control_texts      control tokens that the parser must see in the answer
//   thinks             whether the template has a place for reasoning
//   reasoning_start, reasoning_ends   the text before reasoning and those that end it, as chq_sampler_add_reasoning_budget takes them; none = "", []
//   parses             whether the answer has parts to find; false = all of it is content
CHQ_API chq_status chq_chat_turn_describe(const struct chq_chat_turn * turn, char * text, size_t capacity, size_t * length);

// The parts of an answer, or of the beginning of one: a JSON object of content, reasoning_content, tool_calls as in a request's messages. Of a partial
// answer the last call may have a part of its arguments only. CHQ_STATUS_ARGUMENT if it is not an answer of the turn's form.
CHQ_API chq_status chq_chat_turn_parse(
        const struct chq_chat_turn * turn,
        const char                 * answer,
        size_t                       n_answer,
        bool                         partial,
        char                       * text,
        size_t                       capacity,
        size_t                     * length);

// The GBNF grammar, with the start rule "root", of the texts that follow a JSON schema. CHQ_STATUS_GRAMMAR if there is none.
CHQ_API chq_status chq_chat_schema_grammar(const char * schema, char * text, size_t capacity, size_t * length);

#ifdef __cplusplus
}
#endif
