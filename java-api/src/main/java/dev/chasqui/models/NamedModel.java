package dev.chasqui.models;

import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/// A model that has a name: what it is, and where its files come from. Immutable.
///
/// @param name        letters, digits, `.`, `-` and `_`, starting with a letter or a digit
/// @param description one line for people
/// @param licence     an SPDX identifier where there is one
/// @param terms       conditions that the licence asks to be shown before use
/// @param files       at least one; the first is the one that is opened
public record NamedModel(String name, String description, String licence, Optional<String> terms, List<ModelFile> files) {

    private static final Pattern SAFE_NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,127}");

    public NamedModel {
        requireSafeName("model", name);
        files = List.copyOf(files);
        if (files.isEmpty()) {
            throw new IllegalArgumentException("model '" + name + "' has no files");
        }
        if (files.stream().map(ModelFile::name).distinct().count() != files.size()) {
            throw new IllegalArgumentException("model '" + name + "' has two files of the same name");
        }
    }

    /// Bytes of all files.
    public long size() {
        return files.stream().mapToLong(ModelFile::size).sum();
    }

    /// Names become file names, so they must not be able to leave the cache directory.
    static void requireSafeName(String what, String name) {
        if (!SAFE_NAME.matcher(name).matches() || name.endsWith(".")) {
            throw new IllegalArgumentException(what + " name '" + name + "' may only have letters, digits, '.', '-' and '_', at most 128");
        }
    }
}
