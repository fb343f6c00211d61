// Chat templates: the model's own Jinja source, rendered by llama.cpp's engine.
#pragma once

#include "chasqui_guard.h"
#include "chasqui_model.h"

#ifdef __cplusplus
extern "C" {
#endif

struct chq_chat_template;

struct chq_chat_message {
    const char * role;     // "system", "user", "assistant", ...
    const char * content;  // UTF-8
};

// source: Jinja text; NULL = the model's own, or ChatML if it has none. The model must outlive the template.
CHQ_API chq_status chq_chat_template_create(const struct chq_model * model, const char * source, struct chq_chat_template ** out);
CHQ_API chq_status chq_chat_template_free(struct chq_chat_template * tmpl); // NULL is ignored

// The text of a conversation. add_assistant = end with the opening of the assistant's turn.
// *length = bytes needed without the terminator; CHQ_STATUS_BUFFER if length + 1 > capacity.
CHQ_API chq_status chq_chat_render(
        const struct chq_chat_template * tmpl,
        const struct chq_chat_message  * messages,
        int32_t                          n_messages,
        bool                             add_assistant,
        char                           * text,
        size_t                           capacity,
        size_t                         * length);

#ifdef __cplusplus
}
#endif
