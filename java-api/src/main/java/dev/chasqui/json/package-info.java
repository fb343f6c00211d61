/// JSON values, schemas, and the records that stand for them: [Json] reads and writes, [JsonSchema] says what an answer must look like.
@NullMarked
package dev.chasqui.json;

import org.jspecify.annotations.NullMarked;
