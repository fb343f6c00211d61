package dev.chasqui.models;

import java.util.List;
import java.util.regex.Pattern;

/// One file of a model. Immutable.
///
/// @param name    file name in the cache
/// @param size    bytes
/// @param sha256  64 lower-case hexadecimal digits; every source must deliver exactly these bytes
/// @param sources where to get it, tried in this order
public record ModelFile(String name, long size, String sha256, List<ModelSource> sources) {

    private static final Pattern SHA256 = Pattern.compile("[0-9a-f]{64}");

    public ModelFile {
        NamedModel.requireSafeName("file", name);
        sources = List.copyOf(sources);
        if (size <= 0) {
            throw new IllegalArgumentException("size of '" + name + "' is " + size + ", must be positive");
        }
        if (!SHA256.matcher(sha256).matches()) {
            throw new IllegalArgumentException("sha256 of '" + name + "' must be 64 lower-case hexadecimal digits");
        }
        if (sources.isEmpty()) {
            throw new IllegalArgumentException("'" + name + "' has no sources");
        }
        for (ModelSource source : sources) {
            if (source instanceof ModelSource.PythonPackages packages && packages.size() != size) {
                throw new IllegalArgumentException("the parts of '" + name + "' are " + packages.size() + " bytes, the file " + size);
            }
        }
    }
}
