package machines;

import dev.chasqui.Context;
import dev.chasqui.Generation;
import dev.chasqui.GenerationOptions;
import dev.chasqui.Model;
import dev.chasqui.ModelOptions;
import dev.chasqui.RpcException;
import dev.chasqui.RpcServer;
import dev.chasqui.Sampler;
import dev.chasqui.models.ModelStore;
import java.util.List;

/// One model over several machines that run [Lend]. Arguments: their addresses, each `host:port`.
public final class Machines {

    private Machines() {}

    public static void main(String... servers) {
        try {
            for (String server : servers) {
                RpcServer.devices(server).forEach(device -> IO.println(device.name() + ": " + (device.freeMemory() >> 20) + " MiB free"));
            }
            ModelOptions options = ModelOptions.defaults().withRpcServers(List.of(servers));
            GenerationOptions greedy = GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(12);
            try (Model model = Model.load(ModelStore.standard().get("smollm2-135m"), options);
                 Context context = model.newContext();
                 Generation answer = context.newSequence().generate(model.vocabulary().tokenize("The capital of Peru is", true, false), greedy)) {
                answer.forEach(IO::print);
                IO.println();
            }
        } catch (RpcException e) {
            IO.println("lost: " + e.getMessage());
        }
    }
}
