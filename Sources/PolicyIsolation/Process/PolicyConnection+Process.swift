// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Synchronization

extension PolicyConnection {
    /// Starts a process and says what it shall be, without waiting for it.
    static func start(
        _ recipe: PolicyRecipe, _ settings: IsolationSettings
    ) throws(PolicyError) -> PolicyProcess {
        let process = try PolicyProcess(program: settings.program)
        var question = Question(.make)
        question.frame.put(recipe)
        do throws(ChannelFault) {
            try process.channel.send(
                question.frame.finished(sequence: 0),
                until: process.startedAt.advanced(by: .seconds(1)))
        } catch {
            throw PolicyError(text(of: error, process))
        }
        return process
    }

    func answer<Value: FrameValue>(
        _ question: Question, within limit: Duration?, _ state: inout State
    ) throws(PolicyError) -> Value {
        if let fault = state.unreported {
            state.unreported = nil
            throw fault
        }
        let process = try standing(&state)
        var question = question
        let now = MonotonicClock.now
        if state.stateAskedAt.duration(to: now) >= Self.stateInterval {
            question.askForState()
            state.stateAskedAt = now
        }
        let deadline = now.advanced(by: limit ?? settings.deadline)
        let answer: Answer<Value>
        do throws(ChannelFault) {
            answer = try Self.exchange(question, with: process, until: deadline, &state)
        } catch {
            throw lose(&state, error)
        }
        if let newer = answer.state { kept.withLock { $0 = newer } }
        RemotePolicyTime.add(answer.used, atMost: settings.deadline)
        return try answer.result.get()
    }

    /// The process, if it stands; else it is started where that is allowed, and the call fails.
    func standing(_ state: inout State) throws(PolicyError) -> PolicyProcess {
        if state.process == nil { startAgain(&state) }
        guard let process = state.process else {
            throw PolicyError("\(state.fault); it will be started again in a while")
        }
        if state.isReady { return process }
        guard process.channel.isReadable else {
            let waited = process.startedAt.duration(to: MonotonicClock.now)
            if waited > settings.startDeadline { throw lose(&state, .late) }
            throw PolicyError("\(state.fault); it is being started again")
        }
        try welcome(process, &state)
        return process
    }

    /// Takes the greeting of a process that was started again, and gives it its state back.
    private func welcome(_ process: PolicyProcess, _ state: inout State) throws(PolicyError) {
        let deadline = MonotonicClock.now.advanced(by: settings.deadline)
        do throws(ChannelFault) {
            let answer: Answer<Greeting> = try Self.answer(to: 0, from: process, until: deadline)
            switch answer.result {
            case .success(let greeting): state.greeting = greeting
            case .failure(let error): throw .damaged(error.description)
            }
            state.isReady = true
            state.sequence = 0
            guard let last = kept.withLock({ $0 }) else { return }
            var question = Question(.importState)
            question.frame.put(last)
            let restored: Answer<Acknowledgement> = try Self.exchange(
                question, with: process, until: deadline, &state)
            if case .failure = restored.result { count { $0.statesLost += 1 } }
        } catch {
            throw lose(&state, error)
        }
    }

    /// Gives a process up and starts another where that is allowed.
    func lose(_ state: inout State, _ fault: ChannelFault) -> PolicyError {
        guard let process = state.process else { return PolicyError(state.fault) }
        state.process = nil
        state.isReady = false
        state.fault = Self.text(of: fault, process)
        state.backOff.ended(startedAt: process.startedAt, at: MonotonicClock.now)
        let error = PolicyError(state.fault)
        startAgain(&state)
        return error
    }

    private func startAgain(_ state: inout State) {
        let now = MonotonicClock.now
        guard state.backOff.allowsStart(at: now) else { return }
        do throws(PolicyError) {
            state.process = try Self.start(recipe, settings)
            count { $0.restarts += 1 }
        } catch {
            state.fault = error.description
            state.backOff.ended(startedAt: now, at: now)
        }
    }

    // MARK: - Frames

    private static func exchange<Value: FrameValue>(
        _ question: Question, with process: PolicyProcess, until deadline: Instant,
        _ state: inout State
    ) throws(ChannelFault) -> Answer<Value> {
        state.sequence &+= 1
        var frame = question.frame
        try process.channel.send(frame.finished(sequence: state.sequence), until: deadline)
        return try answer(to: state.sequence, from: process, until: deadline)
    }

    static func answer<Value: FrameValue>(
        to number: UInt32, from process: PolicyProcess, until deadline: Instant
    ) throws(ChannelFault) -> Answer<Value> {
        let (sequence, bytes) = try process.channel.receive(until: deadline)
        guard sequence == number else {
            throw .damaged("it answered question \(sequence), not \(number)")
        }
        do throws(PolicyError) {
            return try Answer(bytes)
        } catch {
            throw .damaged("its answer cannot be read: \(error)")
        }
    }

    /// What happened, for the log; ends the process.
    static func text(of fault: ChannelFault, _ process: PolicyProcess) -> String {
        switch fault {
        case .closed: return process.end(within: 5)
        case .late:
            _ = process.end()
            return "its process did not answer in time and was killed"
        case .damaged(let message):
            _ = process.end()
            return "\(message); its process was killed"
        }
    }
}
