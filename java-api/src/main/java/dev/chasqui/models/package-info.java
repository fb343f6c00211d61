/// Named models: where their files come from, and the local cache that keeps them.
@NullMarked
package dev.chasqui.models;

import org.jspecify.annotations.NullMarked;
