// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import PolicyIsolation
internal import PolicyKit

nonisolated extension IsolationSettings {
    /// Policies run in processes of this very program; without a budget each call may take minutes.
    static func program(budget: Duration?) -> IsolationSettings {
        var settings = IsolationSettings(program: ownProgram, budget: budget ?? .zero)
        if budget == nil { settings.deadline = .seconds(300) }
        return settings
    }

    /// The running program, whatever lies at its path by now; the one beside it where tests run.
    private static var ownProgram: String {
        let program = Bundle.main.executableURL?.resolvingSymlinksInPath()
        guard let program, program.lastPathComponent.hasSuffix("xctest") else {
            return "/proc/self/exe"
        }
        return program.deletingLastPathComponent().appendingPathComponent("burrow").path
    }
}
