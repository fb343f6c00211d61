@NullMarked
package dev.chasqui.examples.swingchat.conversation;

import org.jspecify.annotations.NullMarked;
