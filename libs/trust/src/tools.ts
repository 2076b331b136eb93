import type { ToolRule } from '#libs/contracts';

/** Least mode of each tool, and what a surface must be able to carry for it (product.md, "Tool minimums"). */
export const TOOL_RULES: Readonly<Record<string, ToolRule>> = {
  'checklist.create': { minimumMode: 1, needs: 'checklistsAndGoals' },
  'checklist.update': { minimumMode: 1, needs: 'checklistsAndGoals' },
  'checklist.delete': { minimumMode: 1, needs: 'checklistsAndGoals' },
  'goal.create': { minimumMode: 1, needs: 'checklistsAndGoals' },
  'goal.update': { minimumMode: 1, needs: 'checklistsAndGoals' },
  'goal.delete': { minimumMode: 1, needs: 'checklistsAndGoals' },
  'calendar.read': { minimumMode: 1, needs: 'personalisation' },
  'web.search': { minimumMode: 2, needs: null },
  'calendar.write': { minimumMode: 2, needs: 'personalisation' },
  'mail.draft': { minimumMode: 2, needs: 'personalisation' },
  'document.read': { minimumMode: 2, needs: 'businessContext' },
  'document.write': { minimumMode: 3, needs: 'businessContext' },
  'external-api.call': { minimumMode: 3, needs: null },
  'code.execute': { minimumMode: 3, needs: null },
};
