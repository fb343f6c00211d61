package dev.chasqui;

/// Where a file stands in a model that is split over several.
///
/// @param index       from 0
/// @param count       files
/// @param tensorCount tensors in all files together; -1 if the file does not say
public record GgufSplit(int index, int count, int tensorCount) {}
