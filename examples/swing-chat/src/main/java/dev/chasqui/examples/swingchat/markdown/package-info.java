@NullMarked
package dev.chasqui.examples.swingchat.markdown;

import org.jspecify.annotations.NullMarked;
