// SPDX-License-Identifier: Apache-2.0

import CIsolation
import Glibc
import PluginLoading
package import PolicyKit

/// The child's end: makes one policy, and answers for it until the host goes away.
package enum PolicyHost {
    /// The argument of the program that runs this.
    package static let subcommand = "policy-host"

    /// Serves the channel that the host has left in this process; returns when that is closed.
    package static func run() throws(PolicyError) {
        guard burrow_isolation_attach() == 0 else {
            throw PolicyError("the channel to the host cannot be watched")
        }
        let channel = FrameChannel(file: BURROW_ISOLATION_CHANNEL)
        do throws(ChannelFault) {
            let (sequence, bytes) = try channel.receive()
            var reply = FrameWriter()
            var answering: PolicyAnswering?
            do throws(PolicyError) {
                let made = try make(bytes)
                answering = made
                reply.put(true)
                reply.put(made.placementInterval)
            } catch {
                reply.put(false)
                reply.put(error.description)
            }
            reply.put(Int64(0))
            reply.put(PolicyState?.none)
            try channel.send(reply.finished(sequence: sequence))
            while var policy = answering {
                let (sequence, bytes) = try channel.receive()
                guard var reply = policy.reply(to: bytes) else { continue }
                try channel.send(reply.finished(sequence: sequence))
                answering = policy
            }
        } catch {
            guard case .damaged(let message) = error else { return }
            throw PolicyError(message)
        }
    }

    private static func make(_ bytes: [UInt8]) throws(PolicyError) -> PolicyAnswering {
        var frame = FrameReader(bytes)
        let kind = try frame.integer(UInt8.self)
        _ = try frame.value(Bool.self)
        guard kind == QuestionKind.make.rawValue else {
            throw PolicyError("the first question is to make a policy, not \(kind)")
        }
        let recipe: PolicyRecipe = try frame.value()
        let error = burrow_isolation_confine(recipe.memory)
        guard error == 0 else {
            throw PolicyError("it cannot be confined: \(String(cString: strerror(error)))")
        }
        do throws(PluginError) {
            return PolicyAnswering(
                try PluginLibrary.reopen(recipe.library).make(
                    recipe.type, values: recipe.parameters, seed: recipe.seed))
        } catch {
            throw PolicyError(error.message)
        }
    }
}
