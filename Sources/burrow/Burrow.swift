// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Hosting

@main
struct Burrow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "burrow",
        abstract: "Serve one language model with many LoRA adapters from a manifest.",
        version: BurrowVersion.text,
        subcommands: [
            Serve.self, Status.self, Top.self, Plan.self, Apply.self, Reload.self, RollBack.self,
            Generations.self, ResetToDefault.self, ShadowCommand.self, PreflightCommand.self,
            TraceCommand.self,
            Generate.self, Validate.self, PolicyTestCommand.self, Schema.self,
            Explain.self, ExplainGate.self, PluginCommand.self, AdapterCommand.self,
            ComposeCommand.self, Bench.self, Calibrate.self, Simulate.self,
            PredictCommand.self,
            TrainCommand.self, PolicyHostCommand.self,
        ])
}
