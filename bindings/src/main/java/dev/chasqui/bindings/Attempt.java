package dev.chasqui.bindings;

import org.jspecify.annotations.Nullable;

/// A place where libraries were looked for, and why that failed.
record Attempt(String place, String reason, @Nullable Throwable cause) { }
