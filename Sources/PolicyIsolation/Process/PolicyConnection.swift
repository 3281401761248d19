// SPDX-License-Identifier: Apache-2.0

package import PolicyKit
import Synchronization

/// How policies are run in processes of their own.
package struct IsolationSettings: Sendable, Equatable {
    /// The program that answers to `policy-host`.
    package var program: String

    /// How long a call may take, with what its way there and back costs.
    package var deadline: Duration

    /// How long a plan may be solved, and how long the process may take to start.
    package var solvingDeadline = Duration.seconds(10)
    package var startDeadline = Duration.seconds(20)

    /// What the process may take for itself where the manifest does not say.
    package static let memory = ByteCount(256 << 20)

    /// Settings under which a call has eight times `budget`, 2 ms for the way, and at most 100 ms.
    ///
    /// The time is that of a wall clock, in which the system may let both ends wait.
    package init(program: String, budget: Duration) {
        self.program = program
        deadline = min(.milliseconds(100), budget * 8 + .milliseconds(2))
    }
}

/// The host's end of a policy in a process of its own: asks, keeps its state, starts it again.
///
/// A call never waits for anything but an answer, and for that until its deadline. Whoever is late,
/// gone or unintelligible is killed. It is started again at once, or after a while where that goes on
/// time after time; until it stands, calls fail.
final class PolicyConnection: Sendable {
    struct State {
        var process: PolicyProcess?
        var isReady = false
        var sequence: UInt32 = 0
        var backOff = RestartBackOff()
        var fault = "its process has ended"
        /// What went wrong while nobody waited for an answer.
        var unreported: PolicyError?
        var stateAskedAt = Instant(nanoseconds: .min)
        var greeting: Greeting
    }

    /// What the process says when it stands.
    struct Greeting: FrameValue {
        var placementInterval: Duration?

        init() {}
        func write(to frame: inout FrameWriter) { frame.put(placementInterval) }
        init(from frame: inout FrameReader) throws(PolicyError) {
            placementInterval = try frame.value()
        }
    }

    /// What became of a policy's processes.
    struct Counts: Equatable {
        var restarts = 0
        /// Restarts of a policy with state that did not get it back.
        var statesLost = 0
    }

    /// State is asked for along with a question, not more often than this.
    static let stateInterval = Duration.seconds(1)

    let recipe: PolicyRecipe
    let settings: IsolationSettings
    let kept = Mutex<PolicyState?>(nil)
    private let state: Mutex<State>
    private let counted = Mutex(Counts())

    /// Starts the process and waits until the policy is made.
    init(_ recipe: PolicyRecipe, settings: IsolationSettings) throws(PolicyError) {
        self.recipe = recipe
        self.settings = settings
        let process = try Self.start(recipe, settings)
        let deadline = process.startedAt.advanced(by: settings.startDeadline)
        let answer: Answer<Greeting>
        do throws(ChannelFault) {
            answer = try Self.answer(to: 0, from: process, until: deadline)
        } catch {
            throw PolicyError(Self.text(of: error, process))
        }
        state = Mutex(State(process: process, isReady: true, greeting: try answer.result.get()))
    }

    var counts: Counts { counted.withLock { $0 } }
    var greeting: Greeting { state.withLock { $0.greeting } }
    var processIdentifier: Int32? { state.withLock { $0.process?.identifier } }

    /// Asks, and waits for the answer until the deadline.
    func ask<Value: FrameValue & Sendable>(
        _ question: Question, within limit: Duration? = nil, as type: Value.Type = Value.self
    ) throws(PolicyError) -> Value {
        let answer = state.withLockIfAvailable { state -> Result<Value, PolicyError> in
            do throws(PolicyError) {
                return .success(try self.answer(question, within: limit, &state))
            } catch {
                return .failure(error)
            }
        }
        guard let answer else { throw PolicyError("its process is at work on another question") }
        return try answer.get()
    }

    /// Tells something that needs no answer; what goes wrong is thrown by the next question.
    func tell(_ question: Question) {
        var frame = question.frame
        _ = state.withLockIfAvailable { state in
            guard let process = try? standing(&state) else { return }
            state.sequence &+= 1
            do throws(ChannelFault) {
                try process.channel.send(
                    frame.finished(sequence: state.sequence),
                    until: MonotonicClock.now.advanced(by: settings.deadline))
            } catch {
                state.unreported = lose(&state, error)
            }
        }
    }

    func count(_ change: (inout Counts) -> Void) { counted.withLock { change(&$0) } }
}
