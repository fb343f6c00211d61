@NullMarked
package dev.chasqui.examples.swingchat.view;

import org.jspecify.annotations.NullMarked;
