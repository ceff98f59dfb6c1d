/** An activity that does nothing. */
export function createEmptyActivities(onCall: () => void) {
  return {
    async empty(): Promise<void> {
      onCall();
    },
  };
}

export type EmptyActivities = ReturnType<typeof createEmptyActivities>;
