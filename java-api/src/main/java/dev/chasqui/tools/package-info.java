/// Functions that a model may call: a [Tool] has a name, a schema of its arguments, and code.
@NullMarked
package dev.chasqui.tools;

import org.jspecify.annotations.NullMarked;
