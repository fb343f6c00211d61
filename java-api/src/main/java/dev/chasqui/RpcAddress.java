package dev.chasqui;

import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// `host:port` of an RPC server, looked at before native code is.
final class RpcAddress {

    private static final int MAX_LENGTH = 253 + 6;
    private static final Pattern FORM = Pattern.compile("(?:\\[(?<six>[0-9a-fA-F:.]+(?:%[\\w.-]+)?)]|(?<host>[\\w.-]+)):(?<port>[0-9]{1,5})");

    private RpcAddress() {
    }

    /// @throws IllegalArgumentException if it is none
    static String check(String address) {
        Objects.requireNonNull(address, "address");
        Matcher matcher = FORM.matcher(address);
        if (address.length() > MAX_LENGTH || !matcher.matches()) {
            throw new IllegalArgumentException("an RPC server is given as host:port, with brackets around an IPv6 host, not as '" + address + "'");
        }
        int port = Integer.parseInt(matcher.group("port"));
        if (port < 1 || port > 65535) {
            throw new IllegalArgumentException("port " + port + " of '" + address + "' is not in 1..65535");
        }
        return address;
    }
}
