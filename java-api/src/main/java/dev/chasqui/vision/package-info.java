/// Images in prompts: pictures, what an encoder makes of them, and which of their tokens a model needs to see.
@NullMarked
package dev.chasqui.vision;

import org.jspecify.annotations.NullMarked;
